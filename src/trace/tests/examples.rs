//! Limits, paths and cycles by example.

use super::*;

#[test]
fn says_which_limit_ended_a_walk() {
    let check = |ask: Ask<'_>, rows, truncated, is_depth_cut| {
        let mut source = chain(&[0; 3_000]);
        let (_, summary) = walked(&mut source, &ask).unwrap();
        assert_eq!((summary.rows, summary.truncated), (rows, truncated));
        assert_eq!(summary.is_depth_cut, is_depth_cut);
        assert_eq!(summary.next, ask.skip + rows);
    };
    let whole = ask(0, DOWN, u16::MAX);
    check(whole, 3_001, None, false);
    check(ask(0, DOWN, 5), 6, None, true);
    check(ask(0, DOWN, 0), 1, None, true);
    let rows_max = 7;
    check(Ask { rows_max, ..whole }, 7, Some(Limit::Rows), false);
    let rows_max = 0;
    check(Ask { rows_max, ..whole }, 0, Some(Limit::Rows), false);
    let hops_max = 7;
    check(Ask { hops_max, ..whole }, 7, Some(Limit::Hops), false);
    let is_over = &|| true;
    check(Ask { is_over, ..whole }, 0, Some(Limit::Time), false);
    // Behind the end there is nothing to skip to.
    let skip = 3_001;
    check(Ask { skip, ..whole }, 0, None, false);
}

#[test]
fn an_edge_alone_is_not_the_deepest() {
    let edges = [(0, 1), (1, 2), (2, 0), (2, 1)];
    let edges = edges.map(|(a, b)| ((Node(a), Node(b), TermsId(0)), Times::default()));
    let mut source = Sorted::new(&edges.into_iter().collect());
    let all_edges = true;
    let ask = Ask {
        all_edges,
        ..ask(0, DOWN, 3)
    };
    let (rows, summary) = walked(&mut source, &ask).unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.node.unwrap().0, row.depth, row.again))
        .collect();
    let expected = [
        (0, 0, false),
        (1, 1, false),
        (2, 2, false),
        (0, 3, true),
        (1, 3, true),
    ];
    assert_eq!(told, expected);
    assert_eq!((summary.depth, summary.is_depth_cut), (2, false));
}

#[test]
fn time_is_looked_at_within_a_long_list_too() {
    let edges = (1..10_000).map(|output| ((Node(0), Node(output), TermsId(0)), Times::default()));
    let mut source = Sorted::new(&edges.collect());
    let looks = std::cell::Cell::new(0);
    let is_over = || {
        looks.set(looks.get() + 1);
        looks.get() > 3
    };
    let whole = ask(0, DOWN, u16::MAX);
    let ask = Ask {
        is_over: &is_over,
        ..whole
    };
    let (rows, summary) = walked(&mut source, &ask).unwrap();
    assert_eq!((rows.len(), summary.truncated), (0, Some(Limit::Time)));
    assert!(summary.hops < 5_000, "{}", summary.hops);
}

#[test]
fn stops_when_nobody_takes_more() {
    let walks = Walks::default();
    let whole = ask(0, DOWN, u16::MAX);
    let mut source = chain(&[0; 10]);
    for round in [1, 2] {
        let give = |_: &[Row]| ControlFlow::Break(());
        let summary = walks.closure(&mut source, &whole, &mut verdict, give);
        let truncated = summary.unwrap().truncated;
        assert_eq!(truncated, Some(Limit::Taker), "in round {round}");
    }
    // What was marked is forgotten.
    let give = |_: &[Row]| ControlFlow::Continue(());
    let summary = walks.closure(&mut source, &whole, &mut verdict, give);
    assert_eq!(summary.unwrap().rows, 11);
}

#[test]
fn a_path_goes_through_hidden_nodes_but_ends_visibly() {
    let check = |terms: &[u32], expected: Option<&[Option<u32>]>| {
        let search = Search {
            from: Node(0),
            to: Node(u32::try_from(terms.len()).unwrap()),
            lens: DOWN,
            depth_max: 10,
            paths_max: 10,
            hops_max: 100,
            is_over: &|| false,
        };
        let found = paths(&mut chain(terms), &search, &mut verdict).unwrap();
        let nodes = found.paths.first().map(|path| {
            let nodes = path.iter().map(|step| step.node.map(|node| node.0));
            nodes.collect::<Vec<_>>()
        });
        assert_eq!(nodes.as_deref(), expected, "{terms:?}");
    };
    check(&[], Some(&[Some(0)]));
    check(&[0, 0], Some(&[Some(0), Some(1), Some(2)]));
    check(&[7, 0], Some(&[Some(0), None, Some(2)]));
    check(&[7, 7, 1], Some(&[Some(0), None, None, Some(3)]));
    check(&[0, 7], None);
    check(&[6, 0], None);
    check(&[5, 0], None);
    check(&[0; 11], None);
}

#[test]
fn gives_as_many_paths_as_asked_for() {
    // 0 to 1, 2 and 3, and each of those to 4, by two edges each.
    let pairs = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)];
    let edges = pairs.iter().flat_map(|&(input, output)| {
        [0, 1].map(|terms| {
            (
                (Node(input), Node(output), TermsId(terms)),
                Times::default(),
            )
        })
    });
    let mut source = Sorted::new(&edges.collect());
    let mut check = |paths_max, hops_max, expected: &[u32], truncated| {
        let search = Search {
            from: Node(0),
            to: Node(4),
            lens: DOWN,
            depth_max: 10,
            paths_max,
            hops_max,
            is_over: &|| false,
        };
        let found = paths(&mut source, &search, &mut verdict).unwrap();
        let middle = found.paths.iter().map(|path| path[1].node.unwrap().0);
        assert_eq!(middle.collect::<Vec<_>>(), expected);
        assert_eq!(found.truncated, truncated);
    };
    check(3, 100, &[1, 2, 3], None);
    check(2, 100, &[1, 2], Some(Limit::Rows));
    check(3, 5, &[], Some(Limit::Hops));
}

#[test]
fn says_where_cycles_may_have_been_missed() {
    let edges = [(0, 1), (1, 2), (2, 0), (2, 3), (4, 4)];
    let edges = edges.map(|(a, b)| ((Node(a), Node(b), TermsId(0)), Times::default()));
    let mut source = Sorted::new(&edges.into_iter().collect());
    let mut check = |nodes: &[u32], hops_max, expected: &[u32], is_complete| {
        let nodes: Vec<Node> = nodes.iter().copied().map(Node).collect();
        let found = cycles(&mut source, &nodes, &DOWN, hops_max, &mut verdict).unwrap();
        let on_cycle: Vec<u32> = found.nodes.iter().map(|node| node.0).collect();
        assert_eq!((&on_cycle[..], found.is_complete), (expected, is_complete));
    };
    check(&[4, 3, 1, 0, 1], 100, &[0, 1, 4], true);
    check(&[1], 100, &[1], true);
    check(&[3], 100, &[], true);
    check(&[0, 4], 2, &[], false);
}
