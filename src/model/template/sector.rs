//! The templates of sectors that the node brings along.
//!
//! Their first versions never change; a sector's later versions are made on the
//! node, by its system administrator.

use std::sync::{Arc, LazyLock};

use crate::model::template::draft::Draft;
use crate::model::template::version::Version;

/// Each sector's template: its id, and the text of its first version.
const SHIPPED: [(&str, &str); 6] = [
    ("apparatus", include_str!("sectors/apparatus.json")),
    ("auto-parts", include_str!("sectors/auto-parts.json")),
    ("eyewear", include_str!("sectors/eyewear.json")),
    ("footwear", include_str!("sectors/footwear.json")),
    ("garments", include_str!("sectors/garments.json")),
    ("valves", include_str!("sectors/valves.json")),
];

static VERSIONS: LazyLock<Vec<(&'static str, Arc<Version>)>> = LazyLock::new(|| {
    let version = |(id, text): &(&'static str, &str)| (*id, Arc::new(read(text)));
    SHIPPED.iter().map(version).collect()
});

/// The ids of the templates, and their first versions, in the order of the ids.
pub fn all() -> impl Iterator<Item = (&'static str, &'static Arc<Version>)> {
    VERSIONS.iter().map(|(id, version)| (*id, version))
}

/// The first version of the template `id`.
pub fn find(id: &str) -> Option<&'static Arc<Version>> {
    all()
        .find(|(shipped, _)| *shipped == id)
        .map(|(_, version)| version)
}

#[expect(
    clippy::expect_used,
    reason = "the texts are of this folder, all of them tested"
)]
fn read(text: &str) -> Version {
    let draft: Draft = serde_json::from_str(text).expect("a draft as JSON");
    Version::new(&draft).expect("a sound version")
}
