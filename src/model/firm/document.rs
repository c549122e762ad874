//! The papers of a firm, as files. Their contents are sealed and kept apart.

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};
use crate::model::firm::text::Text;
use crate::model::limits::{DOCUMENT_BYTES_MAX, DOCUMENT_NAME_CHARS_MAX};
use crate::model::time::Timestamp;

/// What the node tells of a paper without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its number among the firm's papers, from 1; never given again.
    pub number: u32,
    /// What it is.
    pub kind: DocumentKind,
    /// The name of the file.
    pub name: Text<DOCUMENT_NAME_CHARS_MAX>,
    /// The form of its contents.
    pub media_type: MediaType,
    /// How many bytes it has.
    pub byte_count: u64,
    /// SHA-256 of its contents.
    pub sha256: [u8; 32],
    /// When it came.
    pub added: Timestamp,
    /// A number by chance, under which its contents are kept.
    pub contents: u64,
}

/// What a paper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DocumentKind {
    /// The business licence (营业执照). No application goes in without one.
    BusinessLicence,
    /// The legal person's letter that lets the contact act (授权委托书).
    Authorization,
    /// Proof of who somebody is.
    Identification,
    /// Anything else that the operators asked for.
    Other,
}

/// The form of a paper's contents. Nothing that runs, and nothing that loads
/// something from elsewhere when it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MediaType {
    /// `application/pdf`.
    Pdf,
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
}

impl MediaType {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Pdf, Self::Jpeg, Self::Png];

    /// Its name (RFC 6838).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// What contents of this form begin with.
    const fn signature(self) -> &'static [u8] {
        match self {
            Self::Pdf => b"%PDF-",
            Self::Jpeg => b"\xff\xd8\xff",
            Self::Png => b"\x89PNG\r\n\x1a\n",
        }
    }

    /// The form that `contents` begin like; the sender's word is not taken.
    ///
    /// # Errors
    /// [`Reason::DocumentTooLarge`] above [`DOCUMENT_BYTES_MAX`],
    /// [`Reason::DocumentTypeInvalid`] for every other form.
    pub fn of(contents: &[u8]) -> Result<Self, Refusal> {
        if contents.len() > DOCUMENT_BYTES_MAX {
            return Err(Refusal::new(Reason::DocumentTooLarge)
                .field("content")
                .value(contents.len())
                .limit(DOCUMENT_BYTES_MAX));
        }
        let begins = |form: &Self| contents.starts_with(form.signature());
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(begins).ok_or_else(|| {
            Refusal::new(Reason::DocumentTypeInvalid)
                .field("content")
                .limit(names)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_form_by_the_contents() {
        assert_eq!(MediaType::of(b"%PDF-1.7\n"), Ok(MediaType::Pdf));
        assert_eq!(MediaType::of(b"\xff\xd8\xff\xe0JFIF"), Ok(MediaType::Jpeg));
        assert_eq!(MediaType::of(b"\x89PNG\r\n\x1a\n\0"), Ok(MediaType::Png));
        for bad in [
            &b""[..],
            b"%PDF",
            b" %PDF-1.7",
            b"<svg xmlns=",
            b"<html>",
            b"MZ",
            b"\x7fELF",
            b"PK\x03\x04",
            b"GIF89a",
        ] {
            let refusal = MediaType::of(bad).expect_err("no paper");
            assert_eq!(refusal.reason(), Reason::DocumentTypeInvalid);
        }
    }

    #[test]
    fn refuses_what_is_too_large() {
        let mut contents = b"%PDF-".to_vec();
        contents.resize(DOCUMENT_BYTES_MAX, b' ');
        assert_eq!(MediaType::of(&contents), Ok(MediaType::Pdf));
        contents.push(b' ');
        let refusal = MediaType::of(&contents).expect_err("too large");
        assert_eq!(refusal.reason(), Reason::DocumentTooLarge);
    }
}
