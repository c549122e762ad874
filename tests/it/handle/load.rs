//! `idnode bench` over the Handle protocol, against a node: what the load
//! generator sends is answered as it should be.

use idnode::bench::{
    Bound, Carrier, HandleCreating, HandleFlood, HandlePool, Importing, Report, Target, Workload,
    handle_create, handle_resolve, import,
};
use idnode::demo::Demo;

use crate::support::TestNode;

const REQUESTS: u64 = 300;

fn bound() -> Bound {
    Bound {
        requests: Some(REQUESTS),
        time: None,
    }
}

async fn target(node: &TestNode) -> Target {
    let bearer = format!("Bearer {}", node.key).parse().unwrap();
    let server = format!("http://{}", node.http);
    Target::connect(&server, Some(bearer), 1).await.unwrap()
}

fn assert_all_right(report: &Report) {
    let Report {
        benchmark,
        requests,
        wrong,
        lost,
        first_wrong,
        ..
    } = report;
    assert_eq!(
        (*requests, *wrong, *lost),
        (REQUESTS, 0, 0),
        "{benchmark}: {first_wrong:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_demo_has_is_found_on_every_carrier() {
    let node = TestNode::start().await;
    let target = target(&node).await;
    let demo = Demo::new(1, 500);
    let importing = Importing {
        prepared: 100,
        batch: 100,
        window: 2,
        update: false,
        bulk: false,
        sorted: false,
        pids: Vec::new(),
    };
    import(&target, demo.clone(), &importing).await.unwrap();
    let workload = Workload {
        demo,
        seed: 1,
        existing: 0.9,
    };
    // Before the node has seen this address over TCP, it cuts what is long.
    for (carrier, tcp_first) in [
        (Carrier::Udp, false),
        (Carrier::Udp, true),
        (Carrier::Tcp, false),
        (Carrier::TcpConnect, false),
    ] {
        let pool = HandlePool::of_workload(&workload, None, 200).unwrap();
        let how = HandleFlood {
            server: node.handle,
            carrier,
            threads: 1,
            connections: 2,
            window: 8,
            tcp_first,
            bound: bound(),
            pids: vec![std::process::id()],
        };
        let report = handle_resolve(pool, how).await.unwrap();
        assert_all_right(&report);
        assert!((240..300).contains(&report.found), "{}", report.found);
        let is_cut = carrier == Carrier::Udp && !tcp_first;
        assert_eq!(report.truncated > 0, is_cut, "{}", report.truncated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_created_in_sessions() {
    let node = TestNode::start().await;
    let target = target(&node).await;
    let demo = Demo::new(1, 500);
    let mut how = HandleCreating {
        server: node.handle,
        first: 0,
        connections: 2,
        window: 16,
        bound: bound(),
        pids: Vec::new(),
    };
    let report = handle_create(&target, demo.clone(), how.clone()).await;
    assert_all_right(&report.unwrap());
    how.bound.requests = Some(10);
    let again = handle_create(&target, demo, how).await.unwrap();
    assert_eq!((again.requests, again.wrong), (0, 10));
    let first = again.first_wrong.unwrap();
    assert!(first.contains("HANDLE_ALREADY_EXISTS"), "{first}");
}
