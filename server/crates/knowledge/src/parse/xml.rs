//! XML of untrusted people as a stream. Entities that a document defines itself are not expanded and nothing is ever fetched,
//! so neither a billion laughs nor an external entity does anything; depth and the size of one piece are bounded.

use std::io::{BufReader, Read};

use quick_xml::events::{BytesStart, Event};

use super::source::{Meter, Metered};

/// Office documents nest tables in tables a few dozen deep.
const DEEPEST: usize = 2000;

pub(crate) enum Node {
    /// An empty element is opened and closed.
    Open(Element),
    Close(String),
    Text(String),
    End,
}

/// Names are without their prefix.
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(it, _)| it == name).map(|(_, it)| it.as_str())
    }
}

impl Element {
    /// Attributes of different prefixes can have one name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().filter(move |(it, _)| it == name).map(|(_, it)| it.as_str())
    }
}

pub(crate) struct XmlReader<R: Read> {
    reader: quick_xml::Reader<BufReader<Metered<R>>>,
    meter: Meter,
    buffer: Vec<u8>,
    depth: usize,
    closing: Option<String>,
}

impl<R: Read> XmlReader<R> {
    pub(crate) fn new(inner: R) -> XmlReader<R> {
        let meter = Meter::default();
        let mut reader = quick_xml::Reader::from_reader(BufReader::with_capacity(64 << 10, meter.reader(inner)));
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        XmlReader { reader, meter, buffer: Vec::new(), depth: 0, closing: None }
    }

    /// Bytes that have been read.
    pub(crate) fn done(&self) -> u64 {
        self.meter.done()
    }

    /// The next piece, or why there is none.
    pub(crate) fn next(&mut self) -> Result<Node, String> {
        if let Some(name) = self.closing.take() {
            return Ok(Node::Close(name));
        }
        loop {
            self.meter.begin_record();
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| error.to_string())?;
            if let Event::Start(start) = &event {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(format!("its elements lie more than {DEEPEST} deep in each other"));
                }
                return Ok(Node::Open(element(start)));
            } else if let Event::Empty(start) = &event {
                let element = element(start);
                self.closing = Some(element.name.clone());
                return Ok(Node::Open(element));
            } else if let Event::End(end) = &event {
                self.depth = self.depth.saturating_sub(1);
                return Ok(Node::Close(end.local_name().as_ref().to_owned()));
            } else if let Event::Text(text) = &event {
                return Ok(Node::Text(text.xml10_content().into_owned()));
            } else if let Event::CData(text) = &event {
                return Ok(Node::Text(text.xml10_content().into_owned()));
            } else if let Event::GeneralRef(reference) = &event {
                if let Ok(Some(it)) = reference.resolve_char_ref() {
                    return Ok(Node::Text(it.to_string()));
                }
                if let Some(it) = quick_xml::escape::resolve_predefined_entity(reference) {
                    return Ok(Node::Text(it.to_owned()));
                }
            } else if matches!(event, Event::Eof) {
                return Ok(Node::End);
            }
        }
    }
}

fn element(start: &BytesStart<'_>) -> Element {
    let attributes = start
        .attributes()
        .with_checks(false)
        .flatten()
        .map(|it| {
            let name = it.key.local_name().as_ref().to_owned();
            let value = it
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_or_else(|_| it.value.to_string(), |value| value.into_owned());
            (name, value)
        })
        .collect();
    Element { name: start.local_name().as_ref().to_owned(), attributes }
}

/// A small document as a whole: every element with the path of those that it lies in.
pub(crate) fn elements(bytes: &[u8], mut take: impl FnMut(&[String], &Element)) -> Result<(), String> {
    let mut reader = XmlReader::new(bytes);
    let mut path: Vec<String> = Vec::new();
    loop {
        match reader.next()? {
            Node::Open(element) => {
                take(&path, &element);
                path.push(element.name);
            }
            Node::Close(_) => {
                path.pop();
            }
            Node::Text(_) => {}
            Node::End => return Ok(()),
        }
    }
}
