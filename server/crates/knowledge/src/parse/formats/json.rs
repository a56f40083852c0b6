//! JSON arrays of objects and JSON Lines, one object in memory at a time. A file is gone through twice: what its outermost
//! value is must be known before its first object is taken for a record.

use std::io::{BufRead as _, Read as _};

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Input;
use crate::error::KnowledgeError;
use crate::notice::{Notice, notice};
use crate::parse::block::{Block, Blocks};
use crate::parse::encoding::Charset;
use crate::parse::source::{MAX_ROW_BYTES, Meter, unreadable};
use crate::parse::value;

pub(crate) fn read(input: &Input<'_>, charset: &Charset, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    let failed = |error: std::io::Error| unreadable(input.name, &error);
    let not_json = |error: serde_json::Error| KnowledgeError::UnreadableFile {
        file: input.name.to_owned(),
        message: format!("it is not JSON: {error}"),
        hint: "a JSON array of objects is wanted: [{…}, {…}]; one object a line goes into a `.jsonl` file".to_owned(),
    };
    // What is skipped takes no memory, however long it is.
    let free = Meter::default();
    let reader = charset.reader(input.source, &free).map_err(failed)?;
    let mut whole = serde_json::Deserializer::from_reader(Unlimited { reader, meter: free });
    let shape = ShapeSeed.deserialize(&mut whole).and_then(|it| whole.end().map(|()| it)).map_err(not_json)?;
    drop(whole);
    let only_list = match &shape {
        Shape::List => None,
        Shape::Object { lists, names } if lists.len() == 1 && !names.iter().any(|it| blocks.is_field(it)) => {
            lists.first().cloned()
        }
        Shape::Object { .. } => {
            let mut text = Vec::new();
            let reader = charset.reader(input.source, &Meter::default()).map_err(failed)?;
            reader.take(MAX_ROW_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
            if text.len() as u64 > MAX_ROW_BYTES {
                return Err(KnowledgeError::TooLarge {
                    file: input.name.to_owned(),
                    message: format!("it is one object of more than {} MB", MAX_ROW_BYTES >> 20),
                    hint: "a JSON array of objects is wanted, one for each record".to_owned(),
                });
            }
            let object: Map<String, Value> = serde_json::from_slice(&text).map_err(not_json)?;
            return blocks.block(Block::Object { number: 1, object });
        }
        Shape::Scalar(what) => {
            let notice =
                notice!("not_a_json_list", "a JSON array of objects is wanted, and it is {what}", what = *what);
            return blocks.block(Block::Broken { row: 1, notice });
        }
    };
    if let Some(name) = &only_list {
        let member = name.as_str();
        blocks.warn(notice!("records_from_member", "the records were taken from `{member}`", member));
    }
    let meter = Meter::default();
    let reader = charset.reader(input.source, &meter).map_err(failed)?;
    let mut stream = serde_json::Deserializer::from_reader(reader);
    let total = input.source.length();
    let mut elements = Elements { blocks, meter, total, number: 0, error: None };
    let done = match &only_list {
        None => stream.deserialize_seq(&mut elements),
        Some(name) => stream.deserialize_map(InMember { name, elements: &mut elements }),
    };
    if let Some(error) = elements.error.take() {
        return Err(error);
    }
    done.map_err(not_json)?;
    blocks.progress(total, total)
}

/// A reader for which a record begins with every byte.
struct Unlimited<R> {
    reader: R,
    meter: Meter,
}

impl<R: std::io::Read> std::io::Read for Unlimited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.meter.begin_record();
        self.reader.read(buffer)
    }
}

enum Shape {
    List,
    Object { lists: Vec<String>, names: Vec<String> },
    Scalar(&'static str),
}

struct ShapeSeed;

impl<'de> DeserializeSeed<'de> for ShapeSeed {
    type Value = Shape;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ShapeSeed {
    type Value = Shape;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar("a string"))
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Scalar("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        /// An object with more members is a dictionary, and no export.
        const MOST: usize = 1000;
        let (mut lists, mut names) = (Vec::new(), Vec::new());
        while let Some(name) = members.next_key::<String>()? {
            let is_list = members.next_value_seed(IsList)?;
            if is_list && lists.len() < MOST {
                lists.push(name.clone());
            }
            if names.len() < MOST {
                names.push(name);
            }
        }
        Ok(Shape::Object { lists, names })
    }
}

/// Skips a value and says whether it was a list.
struct IsList;

impl<'de> DeserializeSeed<'de> for IsList {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        // Members of members are skipped without being looked at, so that depth costs nothing.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for IsList {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

struct Elements<'a> {
    blocks: &'a mut dyn Blocks,
    meter: Meter,
    total: u64,
    number: u32,
    /// Why the receiver wants no more, since serde's errors can only carry a text.
    error: Option<KnowledgeError>,
}

fn not_an_object(given: &Value) -> Notice {
    notice!("not_an_object", "an object is wanted, and it is `{given}`", given = value::as_json(given))
}

impl Elements<'_> {
    fn take(&mut self, item: Value) -> Result<(), KnowledgeError> {
        self.number = self.number.saturating_add(1);
        let number = self.number;
        let block = match item {
            Value::Object(object) => Block::Object { number, object },
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Block::Broken { row: number, notice: not_an_object(&other) }
            }
        };
        self.blocks.block(block)?;
        if number.is_multiple_of(1024) { self.blocks.progress(self.meter.done(), self.total) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for &mut Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.meter.begin_record();
        while let Some(item) = items.next_element::<Value>()? {
            if let Err(error) = self.take(item) {
                self.error = Some(error);
                return Err(A::Error::custom("stopped"));
            }
            self.meter.begin_record();
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Elements<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

struct InMember<'a, 'b> {
    name: &'a str,
    elements: &'a mut Elements<'b>,
}

impl<'de> Visitor<'de> for InMember<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with the records in it")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            if name == self.name {
                members.next_value_seed(&mut *self.elements)?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

pub(crate) fn read_lines(input: &Input<'_>, charset: &Charset, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    let failed = |error: std::io::Error| unreadable(input.name, &error);
    let meter = Meter::default();
    let mut reader = charset.reader(input.source, &meter).map_err(failed)?;
    let total = input.source.length();
    let mut line = String::new();
    let mut number = 0u32;
    loop {
        meter.begin_record();
        line.clear();
        if reader.read_line(&mut line).map_err(failed)? == 0 {
            return blocks.progress(total, total);
        }
        number = number.saturating_add(1);
        if line.trim().is_empty() {
            continue;
        }
        let block = match serde_json::from_str::<Value>(&line) {
            Ok(Value::Object(object)) => Block::Object { number, object },
            Ok(other) => Block::Broken { row: number, notice: not_an_object(&other) },
            Err(error) => {
                let notice = notice!("not_json", "it is not JSON: {error}", error = error.to_string());
                Block::Broken { row: number, notice }
            }
        };
        blocks.block(block)?;
        if number.is_multiple_of(1024) {
            blocks.progress(meter.done(), total)?;
        }
    }
}
