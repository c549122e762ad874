//! The same data as a zone file (RFC 1035 §5), for other name servers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::bench::error::Error;
use crate::bench::expected::expected;
use crate::bench::question::{Kind, zone_bytes};
use crate::demo::Demo;
use crate::model::{OwnerName, SuffixCase};

/// Writes every identifier of `demo` that has a name below `zone`, with the
/// records that the node answers with. Returns how many names there are.
///
/// # Errors
/// [`Error::File`].
pub fn write_zone(demo: &Demo, zone: &str, path: &Path) -> Result<u64, Error> {
    write(demo, zone, path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

fn write(demo: &Demo, zone: &str, path: &Path) -> io::Result<u64> {
    let zone = zone.trim_end_matches('.');
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(file, "$ORIGIN {zone}.\n$TTL 86400")?;
    writeln!(
        file,
        "@ 300 IN SOA ns1.{zone}. hostmaster.{zone}. 1 3600 600 604800 300"
    )?;
    writeln!(file, "@ IN NS ns1.{zone}.\nns1 IN A 127.0.0.1")?;
    let mut names = 0;
    for position in 0..demo.identifiers() {
        let (identifier, values) = demo.record(position);
        let Some(name) = OwnerName::of(&identifier, SuffixCase::Folded, zone_bytes(zone)) else {
            continue;
        };
        names += 1;
        let owner = name.labels().join(".");
        for kind in Kind::ALL {
            for record in expected(kind, &values) {
                writeln!(file, "{owner} IN {} {}", kind.name(), record.text)?;
            }
        }
    }
    file.flush()?;
    Ok(names)
}
