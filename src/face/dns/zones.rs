//! The zones the face is authoritative for, and what stands at their apexes.

use crate::face::dns::config::Config;
use crate::wire::dns::{CharacterString, Name, NameBuf, NameInvalid, Rdata};

/// Seconds for which the node's own records (NS, SRV, TXT) are kept, before the
/// configured bounds.
const OWN_TTL_SECS: u32 = 3600;
/// Refresh, retry and expire of the SOA, in seconds: nobody transfers the zone,
/// but checkers look at them (RFC 1912 §2.2).
const SOA_TIMERS: [u32; 3] = [3600, 600, 604_800];

/// The settings of the face as answers need them.
#[derive(Debug)]
pub(super) struct Zones {
    /// The longest first, so that the first match is the closest.
    zones: Vec<NameBuf>,
    name_servers: Vec<NameBuf>,
    handle_port: Option<u16>,
    mailbox: NameBuf,
    negative_ttl_secs: u32,
    ttl_secs_min: u32,
    ttl_secs_max: u32,
}

impl Zones {
    /// Reads the names of the settings.
    ///
    /// # Errors
    /// The name that is none.
    pub(super) fn new(config: &Config) -> Result<Self, NameInvalid> {
        let parse = |names: &[String]| -> Result<Vec<NameBuf>, NameInvalid> {
            names.iter().map(|name| NameBuf::parse(name)).collect()
        };
        let mut zones = parse(&config.zones)?;
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.as_name().as_bytes().len()));
        Ok(Self {
            zones,
            name_servers: parse(&config.name_servers)?,
            handle_port: Some(config.handle_port).filter(|port| *port != 0),
            mailbox: NameBuf::parse(&config.mailbox)?,
            negative_ttl_secs: config.negative_ttl_secs,
            ttl_secs_min: config.ttl_secs_min,
            ttl_secs_max: config.ttl_secs_max.max(config.ttl_secs_min),
        })
    }

    /// Whether there is a zone and a name server to speak for.
    pub(super) fn is_complete(&self) -> bool {
        !self.zones.is_empty() && !self.name_servers.is_empty()
    }

    /// The closest zone at or above `name`, and where it begins in it.
    pub(super) fn find(&self, name: Name<'_>) -> Option<(Name<'_>, usize)> {
        self.zones
            .iter()
            .find_map(|zone| Some((zone.as_name(), name.ancestor_at(zone.as_name())?)))
    }

    /// The port of the Handle service, if there is one to name.
    pub(super) fn handle_port(&self) -> Option<u16> {
        self.handle_port
    }

    /// The name servers.
    pub(super) fn name_servers(&self) -> impl Iterator<Item = Name<'_>> {
        self.name_servers.iter().map(NameBuf::as_name)
    }

    /// The first name server: the node itself.
    pub(super) fn primary(&self) -> Name<'_> {
        self.name_servers().next().unwrap_or(Name::ROOT)
    }

    /// The SOA of every zone. The serial is the log position modulo 2^32, which
    /// RFC 1982 §3.2 compares across the wrap.
    pub(super) fn soa(&self, serial: u32) -> Rdata<'_> {
        let [refresh, retry, expire] = SOA_TIMERS;
        Rdata::Soa {
            primary: self.primary(),
            mailbox: self.mailbox.as_name(),
            serial,
            timers: [refresh, retry, expire, self.negative_ttl_secs],
        }
    }

    /// The small answer to ANY (RFC 8482 §4.2).
    pub(super) fn any() -> Option<Rdata<'static>> {
        Some(Rdata::Hinfo {
            cpu: CharacterString::new(b"RFC8482")?,
            os: CharacterString::new(b"")?,
        })
    }

    /// Seconds for the SOA, and for what does not exist (RFC 2308 §5).
    pub(super) const fn negative_ttl_secs(&self) -> u32 {
        self.negative_ttl_secs
    }

    /// Seconds for the node's own records.
    pub(super) fn own_ttl_secs(&self) -> u32 {
        self.bounded(OWN_TTL_SECS)
    }

    /// `secs` within the configured bounds.
    pub(super) fn bounded(&self, secs: u32) -> u32 {
        secs.clamp(self.ttl_secs_min, self.ttl_secs_max)
    }
}
