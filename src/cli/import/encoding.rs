//! Text as files have it: UTF-8 with or without a mark, GB18030 as Chinese
//! spreadsheets save it, UTF-16 with a mark. Everything behind reads UTF-8.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use encoding_rs::{Decoder, GB18030, UTF_8};

/// Bytes that are read and decoded at once.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes of one row, or of one line; a quote that nobody closes is the usual
/// cause of more. A record has 1 MiB at most, in base 64 somewhat more.
pub const ROW_BYTES_MAX: u64 = 8 << 20;

/// How a file is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    /// By its mark; else UTF-8 if all of it is; else GB18030
    #[default]
    Auto,
    /// UTF-8
    #[value(name = "utf-8")]
    Utf8,
    /// GB18030, and GBK and GB 2312 with it
    Gb18030,
}

impl Encoding {
    /// The encoding of the file at `path`. `Auto` reads all of a file that has
    /// no mark.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn resolve(self, path: &Path) -> io::Result<&'static encoding_rs::Encoding> {
        match self {
            Self::Utf8 => Ok(UTF_8),
            Self::Gb18030 => Ok(GB18030),
            Self::Auto => {
                let mut file = File::open(path)?;
                let mut mark = Vec::with_capacity(4);
                (&mut file).take(4).read_to_end(&mut mark)?;
                if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(&mark) {
                    return Ok(encoding);
                }
                let whole = mark.as_slice().chain(file);
                Ok(if is_utf8(whole)? { UTF_8 } else { GB18030 })
            }
        }
    }
}

fn is_utf8(mut reader: impl Read) -> io::Result<bool> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        let limit = u64::try_from(BUFFER_BYTES - buffer.len()).unwrap_or(0);
        if (&mut reader).take(limit).read_to_end(&mut buffer)? == 0 {
            return Ok(buffer.is_empty());
        }
        let valid = match std::str::from_utf8(&buffer) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_some() => return Ok(false),
            // A character that the end of the buffer cuts.
            Err(error) => error.valid_up_to(),
        };
        buffer.drain(..valid);
    }
}

/// What a reader of rows and the decoder below it tell each other.
#[derive(Debug, Default)]
pub struct Watch {
    malformed: Cell<bool>,
    row_bytes: Cell<u64>,
}

impl Watch {
    /// Whether bytes were met that are no text; U+FFFD stands for them.
    pub fn malformed(&self) -> bool {
        self.malformed.get()
    }

    /// A row is complete: the limit of [`ROW_BYTES_MAX`] counts anew.
    pub fn row_done(&self) {
        self.row_bytes.set(0);
    }
}

/// Gives as UTF-8 what `inner` has in another encoding; a mark at the
/// beginning is left out.
pub struct Utf8Reader<R> {
    inner: R,
    decoder: Decoder,
    input: Vec<u8>,
    output: Vec<u8>,
    output_at: usize,
    ended: bool,
    watch: Rc<Watch>,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Utf8Reader<R> {
    /// Reads `inner`, counting the bytes of it that are behind in `consumed`.
    pub fn new(
        inner: R,
        encoding: &'static encoding_rs::Encoding,
        watch: Rc<Watch>,
        consumed: Arc<AtomicU64>,
    ) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            input: Vec::with_capacity(BUFFER_BYTES),
            output: Vec::new(),
            output_at: 0,
            ended: false,
            watch,
            consumed,
        }
    }

    /// Decodes the next piece. The output is empty only at the end.
    fn fill(&mut self) -> io::Result<()> {
        self.output_at = 0;
        self.output.clear();
        while self.output.is_empty() && !self.ended {
            self.input.clear();
            let limit = u64::try_from(BUFFER_BYTES).unwrap_or(0);
            let count = (&mut self.inner).take(limit).read_to_end(&mut self.input)?;
            self.ended = count == 0;
            let count = u64::try_from(count).unwrap_or(0);
            self.consumed.fetch_add(count, Ordering::Relaxed);
            let most = self.decoder.max_utf8_buffer_length(self.input.len());
            self.output.resize(most.unwrap_or(BUFFER_BYTES * 4), 0);
            // The output holds the whole input decoded, so one call does.
            let (_, _, written, malformed) =
                self.decoder
                    .decode_to_utf8(&self.input, &mut self.output, self.ended);
            self.output.truncate(written);
            if malformed {
                self.watch.malformed.set(true);
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf8Reader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.output_at >= self.output.len() {
            self.fill()?;
        }
        let left = self.output.get(self.output_at..).unwrap_or_default();
        let mut left = left;
        let count = left.read(out)?;
        self.output_at += count;
        let row_bytes = self.watch.row_bytes.get() + u64::try_from(count).unwrap_or(0);
        self.watch.row_bytes.set(row_bytes);
        if row_bytes > ROW_BYTES_MAX {
            let text =
                format!("a row is longer than {ROW_BYTES_MAX} bytes; is a quote not closed?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(count)
    }
}

impl<R> std::fmt::Debug for Utf8Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Utf8Reader").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn check(bytes: &[u8], encoding: Encoding, expected: &str, malformed: bool) {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(bytes).expect("write");
        let found = encoding.resolve(file.path()).expect("readable");
        let watch = Rc::new(Watch::default());
        let consumed = Arc::new(AtomicU64::new(0));
        let reopened = file.reopen().expect("readable");
        let mut reader = Utf8Reader::new(reopened, found, Rc::clone(&watch), consumed);
        let mut text = String::new();
        loop {
            let mut piece = [0; 1000];
            match reader.read(&mut piece).expect("readable") {
                0 => break,
                count => text.push_str(std::str::from_utf8(&piece[..count]).unwrap_or("?")),
            }
            watch.row_done();
        }
        if text.len() < 1000 {
            assert_eq!(text, expected);
        }
        assert_eq!(watch.malformed(), malformed, "{expected}");
    }

    #[test]
    fn tells_encodings_apart() {
        let text = "产品名称,断路器";
        check(text.as_bytes(), Encoding::Auto, text, false);
        check(
            format!("\u{feff}{text}").as_bytes(),
            Encoding::Auto,
            text,
            false,
        );
        let (gb, _, _) = GB18030.encode(text);
        check(&gb, Encoding::Auto, text, false);
        check(&gb, Encoding::Gb18030, text, false);
        let utf16: Vec<u8> = [0xfeff]
            .into_iter()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        check(&utf16, Encoding::Auto, text, false);
        check(b"", Encoding::Auto, "", false);
    }

    #[test]
    fn marks_bytes_that_are_no_text() {
        check(b"a\xffb", Encoding::Utf8, "a\u{fffd}b", true);
        // 0xff begins nothing in GB18030 either.
        check(b"a\xffb", Encoding::Auto, "a\u{fffd}b", true);
        // Cut in the middle of a character at the end of the file.
        check(b"a\xe4\xba", Encoding::Utf8, "a\u{fffd}", true);
    }

    #[test]
    fn finds_bad_bytes_far_behind_good_ones() {
        let mut bytes = "断".repeat(100_000).into_bytes();
        assert!(is_utf8(bytes.as_slice()).expect("memory"));
        bytes.push(0xb6);
        assert!(!is_utf8(bytes.as_slice()).expect("memory"));
    }

    #[test]
    fn refuses_a_row_without_end() {
        let endless = io::repeat(b'x').take(ROW_BYTES_MAX + 100_000);
        let watch = Rc::new(Watch::default());
        let consumed = Arc::new(AtomicU64::new(0));
        let mut reader = Utf8Reader::new(endless, UTF_8, watch, consumed);
        let error = io::copy(&mut reader, &mut io::sink()).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
