//! `idnode bench register` against a node, at a fixed rate.

use std::time::Duration;

use idnode::bench::{Bound, Registering, Target, register};
use idnode::demo::Demo;

use crate::support::TestNode;

const IDENTIFIERS: u64 = 100;

fn how(first: u64) -> Registering {
    Registering {
        first,
        window: 4,
        batch: 1,
        per_second: Some(400),
        bound: Bound {
            requests: Some(IDENTIFIERS),
            time: Some(Duration::from_secs(60)),
        },
        pids: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_at_a_fixed_rate_and_goes_on_behind_the_data() {
    let node = TestNode::start().await;
    let bearer = format!("Bearer {}", node.key).parse().unwrap();
    let server = format!("http://{}", node.http);
    let target = Target::connect(&server, Some(bearer), 1).await.unwrap();
    let demo = Demo::new(1, IDENTIFIERS);
    for first in [0, IDENTIFIERS, 2 * IDENTIFIERS] {
        let report = register(&target, demo.clone(), &how(first)).await.unwrap();
        let seen = (report.requests, report.wrong, report.lost);
        assert_eq!(seen, (IDENTIFIERS, 0, 0), "{:?}", report.first_wrong);
        // The last is due 247.5 ms after the first.
        assert!(report.seconds >= 0.247, "{}", report.seconds);
    }

    // A rate that no node keeps up with: what was due and found no call is lost.
    let flat_out = Registering {
        per_second: Some(10_000_000),
        bound: Bound {
            requests: None,
            time: Some(Duration::from_millis(50)),
        },
        ..how(3 * IDENTIFIERS)
    };
    let report = register(&target, demo, &flat_out).await.unwrap();
    assert_eq!(report.requests + report.lost, 500_000);
    assert!(
        report.lost > 0 && report.wrong == 0,
        "{:?}",
        report.first_wrong
    );
}
