//! XML as a row of steps: an element begins, has text, ends.

use std::ops::ControlFlow;

use parlour_plugin_sdk::{Error, Result};
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

pub(crate) enum Step<'a> {
    Start(&'a BytesStart<'a>),
    Text(&'a str),
    /// The name without its prefix.
    End(&'a str),
}

/// Goes through a file until the end, or until `step` says that it is enough.
pub(crate) fn walk(xml: &str, mut step: impl FnMut(Step<'_>) -> ControlFlow<()>) -> Result<()> {
    let mut reader = quick_xml::Reader::from_str(xml.trim_start_matches('\u{feff}'));
    let damaged = |error: &dyn std::fmt::Display| Error::InvalidInput(format!("the file is damaged: {error}"));
    loop {
        let event = reader.read_event().map_err(|error| damaged(&error))?;
        let flow = match &event {
            Event::Start(start) => step(Step::Start(start)),
            Event::Empty(start) => {
                let flow = step(Step::Start(start));
                if flow.is_continue() { step(Step::End(start.local_name().as_ref())) } else { flow }
            }
            Event::End(end) => step(Step::End(end.local_name().as_ref())),
            Event::Text(text) => step(Step::Text(&text.xml10_content())),
            Event::CData(text) => step(Step::Text(&text.xml10_content())),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| damaged(&error))?;
                match character {
                    Some(character) => step(Step::Text(character.encode_utf8(&mut [0; 4]))),
                    None => {
                        step(Step::Text(resolve_predefined_entity(&reference.clone().into_inner()).unwrap_or_default()))
                    }
                }
            }
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => ControlFlow::Continue(()),
        };
        if flow.is_break() {
            return Ok(());
        }
    }
}

/// An attribute by its name without a prefix; the first that has it.
pub(crate) fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = start.attributes().flatten();
    let found = attributes.find(|attribute| attribute.key.local_name().as_ref() == name)?;
    found.normalized_value(XmlVersion::Explicit1_0).ok().map(|value| value.into_owned())
}

/// Text for the inside of an element or an attribute. XML has no way to say most control characters, so they are left away.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}
