//! Records of the log as a fetch brings them: the bytes of whole record batches, and where in them each record lies.

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::wire::record_batch::{places, Heading, Place, Span};

/// Kafka's code for a timestamp that the broker set when it appended the record.
const LOG_APPEND_TIME: u8 = 1;
const CREATE_TIME: u8 = 0;
/// Kafka's timestamp of a record without one.
const NO_TIMESTAMP: i64 = -1;
/// What a record without headers says of them.
const NO_HEADERS: u8 = 0;

/// Bytes that hold records, and what is the same for all of them.
struct Source {
    bytes: Py<PyBytes>,
    timestamp_type: u8,
}

/// Records in order of their offsets; an object is made only of one that somebody asks for.
#[pyclass(module = "journeys_engine", sequence)]
#[derive(Default)]
pub struct Records {
    sources: Vec<Source>,
    /// Of each record the number of its source, and its place there.
    places: Vec<(u32, Place)>,
}

/// One record, with the names that aiokafka has for its parts.
#[pyclass(module = "journeys_engine", frozen)]
pub struct Record {
    #[pyo3(get)]
    offset: i64,
    #[pyo3(get)]
    key: Option<Py<PyBytes>>,
    #[pyo3(get)]
    value: Option<Py<PyBytes>>,
    /// Epoch milliseconds; None for a record without one.
    #[pyo3(get)]
    timestamp: Option<i64>,
    /// Kafka's code; None for a record without a timestamp.
    #[pyo3(get)]
    timestamp_type: Option<u8>,
    bytes: Py<PyBytes>,
    place: Place,
}

#[pymethods]
impl Record {
    /// Names and values of the headers.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let found = PyList::empty(py);
        for (name, value) in self.place.headers(self.bytes.as_bytes(py)) {
            found.append((name, value.map(|value| PyBytes::new(py, value))))?;
        }
        Ok(found)
    }
}

#[pymethods]
impl Records {
    /// No records.
    #[new]
    fn new() -> Self {
        Records::default()
    }

    /// Records of a batch of format 2 that is not compressed, those with offsets from `from_offset` on.
    ///
    /// They lie at `begin` up to `end` of the bytes. Raises ValueError where they are damaged.
    #[staticmethod]
    #[pyo3(signature = (fetched, begin, end, count, base_offset, first_timestamp, append_time, from_offset))]
    #[allow(clippy::too_many_arguments)] // all that the batch's header says
    fn of_batch(
        fetched: Bound<'_, PyBytes>,
        begin: usize,
        end: usize,
        count: i32,
        base_offset: i64,
        first_timestamp: i64,
        append_time: Option<i64>,
        from_offset: i64,
    ) -> PyResult<Self> {
        let heading = Heading { count, base_offset, first_timestamp, append_time };
        let lies = fetched.as_bytes().get(..end).and_then(|bytes| places(bytes, begin, &heading, from_offset));
        let Some(places) = lies else {
            return Err(PyValueError::new_err(format!("the records of the batch at offset {base_offset} are damaged")));
        };
        let timestamp_type = if append_time.is_some() { LOG_APPEND_TIME } else { CREATE_TIME };
        let source = Source { bytes: fetched.unbind(), timestamp_type };
        Ok(Records { sources: vec![source], places: places.into_iter().map(|place| (0, place)).collect() })
    }

    /// Records of objects that have offset, key, value, timestamp and timestamp_type, as aiokafka names them.
    #[staticmethod]
    pub fn of_objects(records: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = records.py();
        let mut bytes = vec![NO_HEADERS];
        let mut places = Vec::new();
        for record in records.try_iter()? {
            let record = record?;
            let mut span = |name| {
                let part = record.getattr(name)?.extract::<Option<Bound<'_, PyBytes>>>()?;
                let span = Span::append(part.as_ref().map(|part| part.as_bytes()), &mut bytes);
                span.ok_or_else(|| PyValueError::new_err("more than 2 GiB of records"))
            };
            let (key, value) = (span(intern!(py, "key"))?, span(intern!(py, "value"))?);
            let offset = record.getattr(intern!(py, "offset"))?.extract()?;
            let timestamp: Option<i64> = record.getattr(intern!(py, "timestamp"))?.extract()?;
            let timestamp_type: Option<u8> = record.getattr(intern!(py, "timestamp_type"))?.extract()?;
            let timestamp = timestamp.unwrap_or(NO_TIMESTAMP);
            let source = u32::from(timestamp_type == Some(LOG_APPEND_TIME));
            places.push((source, Place { offset, timestamp, key, value, headers_at: 0 }));
        }
        let bytes = PyBytes::new(py, &bytes).unbind();
        let source = |timestamp_type| Source { bytes: bytes.clone_ref(py), timestamp_type };
        Ok(Records { sources: vec![source(CREATE_TIME), source(LOG_APPEND_TIME)], places })
    }

    /// Move the records of others behind these.
    fn extend(&mut self, mut others: PyRefMut<'_, Records>) {
        let shift = self.sources.len() as u32;
        self.sources.append(&mut others.sources);
        self.places.extend(others.places.drain(..).map(|(source, place)| (source + shift, place)));
    }

    /// Take the records from an index on out, and give them.
    fn split_off(&mut self, py: Python<'_>, index: usize) -> Self {
        let places = self.places.split_off(index.min(self.places.len()));
        let sources = self.sources.iter().map(|source| Source { bytes: source.bytes.clone_ref(py), ..*source });
        Records { sources: sources.collect(), places }
    }

    /// The different first bytes of the values, at most so many of each; those that are null are left out.
    fn prefixes<'py>(&self, py: Python<'py>, length: usize) -> Vec<Bound<'py, PyBytes>> {
        let mut found: Vec<&[u8]> = Vec::new();
        for index in 0..self.places.len() {
            let Some(value) = self.value(py, index) else { continue };
            let prefix = &value[..length.min(value.len())];
            // Mostly there is one.
            if !found.contains(&prefix) {
                found.push(prefix);
            }
        }
        found.into_iter().map(|prefix| PyBytes::new(py, prefix)).collect()
    }

    /// Indexes of the records that have a header of this name.
    fn with_header(&self, py: Python<'_>, name: &str) -> Vec<usize> {
        let has = |index: &usize| self.places[*index].1.has_header(self.source(*index).bytes.as_bytes(py), name);
        (0..self.places.len()).filter(has).collect()
    }

    /// Index of the first record whose offset is not below this one.
    fn index_of(&self, offset: i64) -> usize {
        self.places.partition_point(|(_, place)| place.offset < offset)
    }

    fn __len__(&self) -> usize {
        self.places.len()
    }

    fn __getitem__(&self, py: Python<'_>, index: isize) -> PyResult<Record> {
        let index = if index < 0 { index.wrapping_add_unsigned(self.places.len()) } else { index };
        let found = usize::try_from(index).ok().and_then(|index| Some((index, self.places.get(index)?)));
        let Some((index, (_, place))) = found else {
            return Err(PyIndexError::new_err("there are not so many records"));
        };
        let source = self.source(index);
        let bytes = |part: Option<&[u8]>| part.map(|part| PyBytes::new(py, part).unbind());
        let timestamp = (place.timestamp != NO_TIMESTAMP).then_some(place.timestamp);
        Ok(Record {
            offset: place.offset,
            key: bytes(self.key(py, index)),
            value: bytes(self.value(py, index)),
            timestamp,
            timestamp_type: timestamp.and(Some(source.timestamp_type)),
            bytes: source.bytes.clone_ref(py),
            place: *place,
        })
    }
}

impl Records {
    fn source(&self, index: usize) -> &Source {
        &self.sources[self.places[index].0 as usize]
    }

    /// Records.
    #[inline]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Offset of a record.
    #[inline]
    pub fn offset(&self, index: usize) -> i64 {
        self.places[index].1.offset
    }

    /// Key of a record.
    #[inline]
    pub fn key<'a>(&'a self, py: Python<'a>, index: usize) -> Option<&'a [u8]> {
        self.places[index].1.key.of(self.source(index).bytes.as_bytes(py))
    }

    /// Value of a record.
    #[inline]
    pub fn value<'a>(&'a self, py: Python<'a>, index: usize) -> Option<&'a [u8]> {
        self.places[index].1.value.of(self.source(index).bytes.as_bytes(py))
    }

    /// When the broker appended a record, where it says so.
    #[inline]
    pub fn append_time(&self, index: usize) -> Option<i64> {
        let timestamp = self.places[index].1.timestamp;
        (self.source(index).timestamp_type == LOG_APPEND_TIME && timestamp != NO_TIMESTAMP).then_some(timestamp)
    }
}
