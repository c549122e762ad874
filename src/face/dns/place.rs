//! Where in the node's part of the DNS a name stands. No lookup: the labels
//! alone tell.
//!
//! ```text
//! apex                                    <zone>
//! prefix             7.118.88             <zone>
//! marker         _id.7.118.88             <zone>   also _b32, _tcp, _udp
//! service  _hdl._tcp.7.118.88             <zone>   also _udp
//! plain        a._id.7.118.88             <zone>
//! escaped    c4._b32.7.118.88             <zone>
//! ```

use crate::model::Prefix;
use crate::model::owner_name::{ESCAPED_LABEL, PLAIN_LABEL};
use crate::wire::dns::Name;

/// Where a name stands. Prefixes are canonical, labels lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The zone itself.
    Apex,
    /// A prefix.
    Prefix(String),
    /// What stands above the identifiers of a prefix.
    Marker(String),
    /// What stands above the Handle service of a prefix.
    ServiceParent(String),
    /// The Handle service of a prefix (RFC 2782).
    Service(String),
    /// A suffix as it is, leftmost label first.
    Plain(String, Vec<String>),
    /// A suffix in base32hex, leftmost label first.
    Escaped(String, Vec<String>),
    /// Where nothing can be.
    Nowhere,
}

impl Place {
    /// The place of `name`, of which the zone begins at octet `zone_at`.
    pub(super) fn of(name: Name<'_>, zone_at: usize) -> Self {
        Self::of_labels(name, zone_at).unwrap_or(Self::Nowhere)
    }

    fn of_labels(name: Name<'_>, zone_at: usize) -> Option<Self> {
        let mut labels = Vec::new();
        let mut octets = 0;
        for label in name.labels() {
            if octets >= zone_at {
                break;
            }
            octets += label.len() + 1;
            labels.push(std::str::from_utf8(label).ok()?.to_ascii_lowercase());
        }
        if labels.is_empty() {
            return Some(Self::Apex);
        }
        // The rightmost: a prefix has no label that begins with "_".
        let marker_at = labels.iter().rposition(|label| label.starts_with('_'));
        let prefix_labels = labels.get(marker_at.map_or(0, |at| at + 1)..)?;
        let mut prefix = String::new();
        for label in prefix_labels.iter().rev() {
            // A dot inside a label is not one between segments.
            if label.contains('.') {
                return None;
            }
            if !prefix.is_empty() {
                prefix.push('.');
            }
            prefix.push_str(label);
        }
        Prefix::parse(&prefix).ok()?;
        let Some(marker_at) = marker_at else {
            return Some(Self::Prefix(prefix));
        };
        let marker = labels.get(marker_at)?.clone();
        labels.truncate(marker_at);
        Self::below_marker(prefix, &marker, labels)
    }

    fn below_marker(prefix: String, marker: &str, labels: Vec<String>) -> Option<Self> {
        let is_alone = labels.is_empty();
        match marker {
            PLAIN_LABEL | ESCAPED_LABEL if is_alone => Some(Self::Marker(prefix)),
            PLAIN_LABEL => Some(Self::Plain(prefix, labels)),
            ESCAPED_LABEL => Some(Self::Escaped(prefix, labels)),
            "_tcp" | "_udp" if is_alone => Some(Self::ServiceParent(prefix)),
            "_tcp" | "_udp" if labels == ["_hdl"] => Some(Self::Service(prefix)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dns::NameBuf;

    fn check(below: &str, expected: &Place) {
        let name = NameBuf::parse(&format!("{below}Id.Example.")).expect("a name");
        let zone = NameBuf::parse("id.example.").expect("a name");
        let at = name.as_name().ancestor_at(zone.as_name()).expect("below");
        assert_eq!(&Place::of(name.as_name(), at), expected, "{below}");
    }

    #[test]
    fn tells_places_by_their_labels() {
        let prefix = || "88.118.7".to_owned();
        let labels = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        check("", &Place::Apex);
        check("88.", &Place::Prefix("88".into()));
        check("7.118.88.", &Place::Prefix(prefix()));
        check("NA.0.", &Place::Prefix("0.na".into()));
        check("_ID.7.118.88.", &Place::Marker(prefix()));
        check("_b32.7.118.88.", &Place::Marker(prefix()));
        check("_tcp.7.118.88.", &Place::ServiceParent(prefix()));
        check("_hdl._udp.7.118.88.", &Place::Service(prefix()));
        check("x._hdl._udp.7.118.88.", &Place::Nowhere);
        check("_sip._tcp.7.118.88.", &Place::Nowhere);
        check(
            "000123.DZ47-63._id.7.118.88.",
            &Place::Plain(prefix(), labels("000123.dz47-63")),
        );
        check("C4._B32.7.118.88.", &Place::Escaped(prefix(), labels("c4")));
        check("_id.", &Place::Nowhere);
        check("x.7.118.88.", &Place::Nowhere);
        check("a_b.", &Place::Nowhere);
        check("_a._id.7.118.88.", &Place::Plain(prefix(), labels("_a")));
    }
}
