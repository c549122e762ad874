//! Checkpoints: what a log says that its tree is (C2SP tlog-checkpoint).
//!
//! ```text
//! origin
//! tree size, in decimal
//! root hash, in Base64
//! ```
//!
//! Signed as the text of a note. Lines behind the third are passed over, as the
//! standard asks.

use data_encoding::BASE64;

use crate::merkle::Hash;

/// What a log says that its tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves the tree has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// A text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint: line {line} is not {expected}")]
pub struct NotCheckpoint {
    line: u8,
    expected: &'static str,
}

impl Checkpoint {
    /// The text to be signed.
    pub fn text(&self) -> String {
        let Self { origin, size, root } = self;
        format!("{origin}\n{size}\n{}\n", BASE64.encode(root))
    }

    /// Parses a text whose signature was verified.
    ///
    /// # Errors
    /// [`NotCheckpoint`].
    pub fn parse(text: &str) -> Result<Self, NotCheckpoint> {
        let mut lines = text.split('\n');
        let mut line = |line, expected| match lines.next() {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(NotCheckpoint { line, expected }),
        };
        let origin = line(1, "an origin")?.to_owned();
        let size_text = line(2, "a size")?;
        let size: u64 = size_text
            .parse()
            .ok()
            .filter(|size: &u64| size.to_string() == size_text)
            .ok_or(NotCheckpoint {
                line: 2,
                expected: "a size",
            })?;
        let root = BASE64.decode(line(3, "a root hash")?.as_bytes()).ok();
        let root = root
            .and_then(|bytes| Hash::try_from(bytes).ok())
            .ok_or(NotCheckpoint {
                line: 3,
                expected: "a root hash",
            })?;
        Ok(Self { origin, size, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_there_and_back() {
        for size in [0, 1, u64::MAX] {
            let checkpoint = Checkpoint {
                origin: "node.example/log".into(),
                size,
                root: [7; 32],
            };
            assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
        }
    }

    /// The example of tlog-checkpoint.
    #[test]
    fn reads_the_standards_example() {
        let text =
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).expect("a checkpoint");
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.text(), text);
        let extended = format!("{text}an extension\n");
        assert_eq!(Checkpoint::parse(&extended), Ok(checkpoint));
    }

    #[test]
    fn refuses_other_texts() {
        let root = BASE64.encode(&[7; 32]);
        let check = |text: &str, line| {
            let refused = Checkpoint::parse(text).expect_err(text);
            assert_eq!(refused.line, line, "{text}");
        };
        check("", 1);
        check("\n1\n", 1);
        check("a", 2);
        for size in ["", "+1", "01", "-1", "1 ", "18446744073709551616"] {
            check(&format!("a\n{size}\n{root}\n"), 2);
        }
        let short = BASE64.encode(&[7; 31]);
        let unpadded = root.trim_end_matches('=');
        for root in ["", "*", &short, unpadded] {
            check(&format!("a\n1\n{root}\n"), 3);
        }
    }
}
