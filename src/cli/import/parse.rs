//! Reads a file on a thread of its own and hands on chunks of it, a few
//! at a time: however long the file, little of it is in memory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prost::Message;
use tokio::sync::mpsc;

use crate::cli::failure::Failure;
use crate::cli::import::csv::delimiter;
use crate::cli::import::encoding::{Encoding, Utf8Reader, Watch};
use crate::cli::import::rows::{BadRow, Parsed, Rows};
use crate::cli::import::subject::{Subject, Text};

/// Items of one chunk.
pub const CHUNK_ITEMS: usize = 1000;
/// Bytes of a chunk from which it is closed; below the node's own limit of a
/// message by more than a record can have.
const CHUNK_BYTES: usize = 4 << 20;
/// Chunks that wait between the threads.
const CHUNKS_WAITING: usize = 2;
/// Bytes of the beginning of a file in which its delimiter is looked for.
const HEADER_BYTES: u64 = 64 << 10;

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma, semicolon or tab separated, with a header
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// What there is to read, and how.
#[derive(Clone, Debug)]
pub struct Source<S> {
    /// The file.
    pub path: PathBuf,
    /// How it is laid out.
    pub format: Format,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Items at its beginning that are left out.
    pub skip_count: u64,
    /// What it has.
    pub subject: S,
}

/// What the reading thread hands on.
#[derive(Debug)]
pub enum Piece<T> {
    /// Items, and the row at which each begins.
    Items(Vec<T>, Vec<u64>),
    /// Every broken rule of one item that is none.
    Bad(Vec<BadRow>),
    /// The file cannot be read further.
    Failed(Failure),
}

/// Begins to read. Counts in `consumed` the bytes that are behind. The thread
/// ends with the file, or when nobody takes what it reads.
///
/// # Errors
/// If no thread can be started.
pub fn begin<S: Subject>(
    source: Source<S>,
    consumed: Arc<AtomicU64>,
) -> Result<mpsc::Receiver<Piece<S::Item>>, Failure> {
    let (pieces, taken) = mpsc::channel(CHUNKS_WAITING);
    std::thread::Builder::new()
        .name("import".into())
        .spawn(move || {
            if let Err(failure) = read(&source, consumed, &pieces) {
                // Nobody listens any more: then nobody needs to know.
                drop(pieces.blocking_send(Piece::Failed(failure)));
            }
        })
        .map_err(|error| Failure::io("cannot start a thread", &error))?;
    Ok(taken)
}

fn read<S: Subject>(
    source: &Source<S>,
    consumed: Arc<AtomicU64>,
    pieces: &mpsc::Sender<Piece<S::Item>>,
) -> Result<(), Failure> {
    let mut rows = open(source, consumed)?;
    let mut chunk = Chunk::new();
    let mut skip_count = source.skip_count;
    while let Some(parsed) = rows.next()? {
        let sent = match parsed {
            Parsed::Bad(bad) => pieces.blocking_send(Piece::Bad(bad)),
            Parsed::Item(..) if skip_count > 0 => {
                skip_count -= 1;
                Ok(())
            }
            Parsed::Item(row, mut item) => {
                source.subject.complete(&mut item);
                match chunk.add(row, item) {
                    Some(piece) => pieces.blocking_send(piece),
                    None => Ok(()),
                }
            }
        };
        if sent.is_err() {
            return Ok(());
        }
    }
    if let Some(piece) = chunk.take() {
        drop(pieces.blocking_send(piece));
    }
    Ok(())
}

fn open<S: Subject>(
    source: &Source<S>,
    consumed: Arc<AtomicU64>,
) -> Result<Box<dyn Rows<Item = S::Item>>, Failure> {
    let Source {
        path,
        format,
        encoding,
        skip_count: _,
        subject,
    } = source;
    let fail = |error| Failure::io(&format!("cannot read {}", path.display()), &error);
    let encoding = encoding.resolve(path).map_err(fail)?;
    let watch = Rc::new(Watch::default());
    let file = File::open(path).map_err(fail)?;
    let reader = Utf8Reader::new(file, encoding, Rc::clone(&watch), consumed);
    let header = match format {
        Format::Csv => header(path, encoding).map_err(fail)?,
        Format::Ndjson => String::new(),
    };
    subject.rows(Text {
        reader,
        watch,
        format: *format,
        delimiter: delimiter(&header),
    })
}

fn header(path: &Path, encoding: &'static encoding_rs::Encoding) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(HEADER_BYTES)
        .read_to_end(&mut bytes)?;
    let (text, _) = encoding.decode_with_bom_removal(&bytes);
    Ok(text.into_owned())
}

/// Items that are collected to be sent at once.
struct Chunk<T> {
    items: Vec<T>,
    rows: Vec<u64>,
    bytes: usize,
}

impl<T: Message> Chunk<T> {
    const fn new() -> Self {
        Self {
            items: Vec::new(),
            rows: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds an item; the chunk if it is full with it.
    fn add(&mut self, row: u64, item: T) -> Option<Piece<T>> {
        self.bytes += item.encoded_len();
        self.items.push(item);
        self.rows.push(row);
        if self.items.len() >= CHUNK_ITEMS || self.bytes >= CHUNK_BYTES {
            self.take()
        } else {
            None
        }
    }

    fn take(&mut self) -> Option<Piece<T>> {
        let Self { items, rows, .. } = std::mem::replace(self, Self::new());
        (!items.is_empty()).then_some(Piece::Items(items, rows))
    }
}
