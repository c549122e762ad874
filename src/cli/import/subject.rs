//! What a file has, and how a node takes it in: records, or links.

use std::fs::File;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::import::columns::Names;
use crate::cli::import::csv::CsvRows;
use crate::cli::import::encoding::{Utf8Reader, Watch};
use crate::cli::import::ndjson::NdjsonRows;
use crate::cli::import::parse::Format;
use crate::cli::import::rows::{Rows, Under};
use crate::cli::import::send::{BULK_CHUNKS_IN_FLIGHT, CHUNKS_IN_FLIGHT};
use crate::cli::shape::{RecordShape, identifier_of};
use crate::model::{Prefix, Reason};
use crate::wire::proto::v1;
use crate::wire::proto::v1::import_records_request::OnConflict;

/// A file that is opened, in UTF-8.
#[derive(Debug)]
pub struct Text {
    /// What it decodes to.
    pub reader: Utf8Reader<File>,
    /// What a reader of rows and the decoder tell each other.
    pub watch: Rc<Watch>,
    /// How it is laid out.
    pub format: Format,
    /// What stands between the cells of a CSV file.
    pub delimiter: u8,
}

/// What a file has.
pub trait Subject: Clone + Send + 'static {
    /// One of it, as the API has it.
    type Item: prost::Message + Default + Clone + Send + 'static;
    /// A part of the stream that a node takes in.
    type Request: Send + 'static;
    /// What a node answers to parts of the stream.
    type Answer;

    /// The word for many of it.
    const WORD: &'static str;
    /// The word for how many there are, in JSON.
    const COUNT: &'static str;
    /// Why a node refuses one that it has already.
    const EXISTS: Reason;

    /// Reads a file row by row.
    ///
    /// # Errors
    /// If its header says nothing sure.
    fn rows(&self, text: Text) -> Result<Box<dyn Rows<Item = Self::Item>>, Failure>;

    /// Adds what the options say of every item.
    fn complete(&self, item: &mut Self::Item);

    /// Chunks that are sent ahead of the node's answers.
    fn chunks_in_flight(&self) -> usize {
        CHUNKS_IN_FLIGHT
    }

    /// A part of the stream.
    fn request(
        &self,
        items: Vec<Self::Item>,
        on_conflict: OnConflict,
        validate_only: bool,
    ) -> Self::Request;

    /// Begins the stream.
    fn begin(
        client: &Client,
        requests: mpsc::Receiver<Self::Request>,
    ) -> impl Future<Output = Result<Response<Streaming<Self::Answer>>, Status>>;

    /// What an answer says.
    fn acknowledged(answer: Self::Answer) -> Acknowledged;

    /// Whether the node has the item as it was sent.
    fn is_there(client: &Client, item: Self::Item) -> impl Future<Output = Result<bool, Failure>>;

    /// The column that a field of a refusal is about.
    fn column(&self, field: &str) -> String;
}

/// What a node says of the items since its answer before.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    /// Items of the stream that this and all earlier answers cover.
    pub covered_count: u64,
    /// Registered or stated.
    pub created_count: u64,
    /// Replaced.
    pub updated_count: u64,
    /// Equal to what was there.
    pub unchanged_count: u64,
    /// There already, and left as they were.
    pub skipped_count: u64,
    /// Refused.
    pub rejected: Vec<Rejected>,
}

/// An item that was refused.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Its position in the stream, from 0.
    pub position: u64,
    /// What it is called.
    pub name: String,
    /// Why.
    pub error: v1::ItemError,
}

/// A count or position as the API has it.
pub fn count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Records, below a prefix or under a template if one is named.
#[derive(Clone, Debug)]
pub struct Records {
    /// Below which all identifiers stand.
    pub prefix: Option<Prefix>,
    /// The template that they stand under.
    pub under: Option<Arc<Under>>,
    /// Have the node write very many together.
    pub bulk: bool,
}

impl Subject for Records {
    type Item = v1::Record;
    type Request = v1::ImportRecordsRequest;
    type Answer = v1::ImportRecordsResponse;

    const WORD: &'static str = "records";
    const COUNT: &'static str = "record_count";
    const EXISTS: Reason = Reason::RecordExists;

    fn rows(&self, text: Text) -> Result<Box<dyn Rows<Item = v1::Record>>, Failure> {
        let Text {
            reader,
            watch,
            format,
            delimiter,
        } = text;
        let prefix = self.prefix.clone();
        Ok(match format {
            Format::Ndjson => Box::new(NdjsonRows::of_records(reader, watch, prefix)),
            Format::Csv => {
                let names = Names::new(prefix, self.under.as_deref());
                Box::new(CsvRows::new(reader, watch, delimiter, names)?)
            }
        })
    }

    fn complete(&self, record: &mut v1::Record) {
        if let Some(under) = &self.under {
            under.name(record);
        }
    }

    fn chunks_in_flight(&self) -> usize {
        match self.bulk {
            true => BULK_CHUNKS_IN_FLIGHT,
            false => CHUNKS_IN_FLIGHT,
        }
    }

    fn request(
        &self,
        records: Vec<v1::Record>,
        on_conflict: OnConflict,
        validate_only: bool,
    ) -> v1::ImportRecordsRequest {
        v1::ImportRecordsRequest {
            on_conflict: on_conflict.into(),
            validate_only,
            records,
            bulk: self.bulk,
        }
    }

    async fn begin(
        client: &Client,
        requests: mpsc::Receiver<v1::ImportRecordsRequest>,
    ) -> Result<Response<Streaming<v1::ImportRecordsResponse>>, Status> {
        let mut registry = client.registry();
        registry.import_records(ReceiverStream::new(requests)).await
    }

    fn acknowledged(answer: v1::ImportRecordsResponse) -> Acknowledged {
        let v1::ImportRecordsResponse {
            covered_count,
            created_count,
            updated_count,
            unchanged_count,
            skipped_count,
            rejections,
        } = answer;
        let rejected = rejections.into_iter().map(|rejection| Rejected {
            position: count(rejection.position),
            name: identifier_of(&rejection.name).to_owned(),
            error: rejection.error.unwrap_or_default(),
        });
        Acknowledged {
            covered_count: count(covered_count),
            created_count: count(created_count),
            updated_count: count(updated_count),
            unchanged_count: count(unchanged_count),
            skipped_count: count(skipped_count),
            rejected: rejected.collect(),
        }
    }

    async fn is_there(client: &Client, sent: v1::Record) -> Result<bool, Failure> {
        let name = sent.name.clone();
        let request = client.request(v1::GetRecordRequest { name });
        let there = client.answer(client.registry().get_record(request)).await?;
        let (there, sent) = (RecordShape::kept(there), RecordShape::kept(sent));
        Ok(there.values == sent.values && there.readers == sent.readers)
    }

    /// `name` is the API's word for the identifier; a file may have a column of
    /// that name that is something else.
    fn column(&self, field: &str) -> String {
        match (field, &self.under) {
            ("" | "name", _) => "identifier".to_owned(),
            (field, Some(under)) => under.column(field),
            (field, None) => field.to_owned(),
        }
    }
}
