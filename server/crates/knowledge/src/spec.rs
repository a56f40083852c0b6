//! What a knowledge base is: its fields, and which of them are embedded, filtered and shown. `knowledge.yaml` is the serde
//! form of [`BaseSpec`]; a field is written `price: number` or `price: { type: number, filter: true }`.

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{KnowledgeError, Problem};
use crate::notice::Notice;

/// Names that the filter language and flattened hits use themselves.
pub const RESERVED_FIELDS: [&str; 7] = ["id", "document", "text", "score", "any", "all", "not"];
/// A record with more columns than this is a data warehouse's row, not knowledge.
const MAX_FIELDS: usize = 128;
const MAX_NAME_BYTES: usize = 63;
/// A catalogue's names; a dictionary is another thing.
const MAX_WORDS: usize = 5_000;
/// A single character is a word already; a longer name than this is a sentence.
const WORD_CHARS: std::ops::RangeInclusive<usize> = 2..=64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    Text,
    Number,
    Boolean,
    Date,
    Keyword,
    List,
}

impl FieldKind {
    pub fn as_str(self) -> &'static str {
        match self {
            FieldKind::Text => "text",
            FieldKind::Number => "number",
            FieldKind::Boolean => "boolean",
            FieldKind::Date => "date",
            FieldKind::Keyword => "keyword",
            FieldKind::List => "list",
        }
    }
}

/// One column of a table or one member of a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    pub name: String,
    pub kind: FieldKind,
    /// Its words are part of what is searched by meaning and by words. Where not said: text and keyword fields.
    pub embed: bool,
    /// It can be used in filters. Where not said: every field that is not text.
    pub filter: bool,
    /// Readers see it. Where not said: yes.
    pub show: bool,
    /// What people call it; a table's header may use it instead of the name.
    pub title: Option<String>,
}

impl FieldSpec {
    pub fn new(name: &str, kind: FieldKind) -> FieldSpec {
        let words = matches!(kind, FieldKind::Text | FieldKind::Keyword);
        FieldSpec {
            name: name.to_owned(),
            kind,
            embed: words,
            filter: kind != FieldKind::Text,
            show: true,
            title: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseSpec {
    #[serde(rename = "knowledge", alias = "name")]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// None for a base of plain documents: their passages have no fields, and every column of a table is read as text.
    #[serde(default, serialize_with = "write_fields", deserialize_with = "read_fields")]
    pub fields: Vec<FieldSpec>,
    /// The text of a record, `{field}` standing for values. Where not said: the embedded fields' values, a line each,
    /// behind the field's title where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embed_template: Option<String>,
    /// How long texts become records.
    #[serde(default, skip_serializing_if = "Splitting::is_usual")]
    pub splitting: Splitting,
    /// Names of products and people that count as one word, however a dictionary would cut them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
}

/// How long texts are cut into records. Sizes are in tokens of the embedding model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Splitting {
    /// The most that one record has.
    pub tokens: u32,
    /// The share of a record that may repeat the end of the one before.
    pub overlap: f64,
    /// The most that a larger passage has, whose records are searched one by one and read together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
}

impl Default for Splitting {
    fn default() -> Splitting {
        Splitting { tokens: 400, overlap: 0.15, parent: None }
    }
}

impl Splitting {
    /// Fewer than this is no passage any more; more is an average of many subjects, whatever the model can read.
    const TOKENS: std::ops::RangeInclusive<u32> = 50..=2000;
    /// A larger share would store every sentence three times.
    const MOST_OVERLAP: f64 = 0.5;
    /// What a language model is given of one document at once has its bounds.
    const MOST_PARENT: u32 = 20_000;

    fn is_usual(&self) -> bool {
        *self == Splitting::default()
    }

    fn check(&self) -> Vec<String> {
        let Splitting { tokens, overlap, parent } = *self;
        let mut problems = Vec::new();
        let (least, most) = (Splitting::TOKENS.start(), Splitting::TOKENS.end());
        if !Splitting::TOKENS.contains(&tokens) {
            problems.push(format!("`splitting.tokens` is {tokens}; it can be {least} to {most}"));
        }
        if !(0.0..=Splitting::MOST_OVERLAP).contains(&overlap) {
            problems.push(format!(
                "`splitting.overlap` is {overlap}; it is a share of a record and can be 0 to {}",
                Splitting::MOST_OVERLAP
            ));
        }
        match parent {
            Some(parent) if parent <= tokens => problems.push(format!(
                "`splitting.parent` is {parent}; it is the size of the larger passage, so it must be more than the \
                 {tokens} tokens of a record"
            )),
            Some(parent) if parent > Splitting::MOST_PARENT => {
                problems.push(format!("`splitting.parent` is {parent}; it can be at most {}", Splitting::MOST_PARENT))
            }
            Some(_) | None => {}
        }
        problems
    }
}

impl BaseSpec {
    /// Reads and checks a `knowledge.yaml`.
    ///
    /// # Errors
    /// `InvalidSpec` with every problem found.
    pub fn from_yaml(text: &str) -> Result<BaseSpec, KnowledgeError> {
        let spec: BaseSpec = serde_saphyr::from_str(text).map_err(|error| KnowledgeError::InvalidSpec {
            problems: vec![Problem::of(Notice::words(error.to_string()))],
        })?;
        let problems = spec.check();
        if problems.is_empty() {
            return Ok(spec);
        }
        Err(KnowledgeError::InvalidSpec {
            problems: problems.into_iter().map(|it| Problem::of(Notice::words(it))).collect(),
        })
    }

    /// Everything that is wrong with it, in words; empty when it can be used.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !is_name(&self.name) {
            problems.push(format!(
                "the name `{}` is not usable: a small letter first, then small letters, digits and `_`, at most \
                 {MAX_NAME_BYTES}",
                self.name
            ));
        }
        if self.fields.len() > MAX_FIELDS {
            problems.push(format!("there are {} fields; a knowledge base has at most {MAX_FIELDS}", self.fields.len()));
        }
        let mut names: Vec<String> = Vec::new();
        let mut titles: Vec<String> = Vec::new();
        for field in &self.fields {
            if !is_name(&field.name) {
                problems.push(format!(
                    "the field `{}` is not usable as a name: a small letter first, then small letters, digits and \
                     `_`; what people call it goes into `title`",
                    field.name
                ));
            }
            if RESERVED_FIELDS.contains(&field.name.as_str()) {
                problems.push(format!(
                    "a field cannot be called `{}`: hits and filters use that name (reserved: {})",
                    field.name,
                    RESERVED_FIELDS.join(", ")
                ));
            }
            // A title may be another field's name: a header is looked for among the names first.
            let name = header_key(&field.name);
            let title = field.title.as_deref().map(header_key);
            if names.contains(&name) || title.as_ref().is_some_and(|it| titles.contains(it)) {
                problems.push(format!("two fields answer to the column header of `{}`", field.name));
            }
            names.push(name);
            titles.extend(title);
        }
        if !self.fields.is_empty() && self.embed_template.is_none() && !self.fields.iter().any(|it| it.embed) {
            problems.push("no field is embedded, so nothing could be found: give one `embed: true`".to_owned());
        }
        if let Some(template) = &self.embed_template {
            problems.extend(self.check_template(template));
        }
        problems.extend(self.check_words());
        problems.extend(self.splitting.check());
        problems
    }

    fn check_words(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.words.len() > MAX_WORDS {
            problems.push(format!("there are {} `words`; a knowledge base has at most {MAX_WORDS}", self.words.len()));
        }
        if let Some(word) = self.words.iter().find(|it| !WORD_CHARS.contains(&it.trim().chars().count())) {
            let (least, most) = (WORD_CHARS.start(), WORD_CHARS.end());
            problems.push(format!("`{word}` among the `words` has not {least} to {most} characters"));
        }
        problems
    }

    fn check_template(&self, template: &str) -> Vec<String> {
        match placeholders(template) {
            Err(problem) => vec![problem],
            Ok(parts) => {
                let names: Vec<&str> = parts
                    .iter()
                    .filter_map(|it| match it {
                        TemplatePart::Field(name) => Some(*name),
                        TemplatePart::Text(_) => None,
                    })
                    .collect();
                let mut problems: Vec<String> = names
                    .iter()
                    .filter(|name| self.field(name).is_none())
                    .map(|name| {
                        format!(
                            "`embed_template` names `{{{name}}}`, which is no field; there are {}",
                            self.field_names()
                        )
                    })
                    .collect();
                if names.is_empty() {
                    problems.push("`embed_template` names no field, so every record would be the same".to_owned());
                }
                problems
            }
        }
    }

    pub fn field(&self, name: &str) -> Option<&FieldSpec> {
        self.fields.iter().find(|it| it.name == name)
    }

    pub(crate) fn field_names(&self) -> String {
        self.fields.iter().map(|it| format!("`{}`", it.name)).collect::<Vec<_>>().join(", ")
    }
}

pub(crate) enum TemplatePart<'a> {
    Text(&'a str),
    Field(&'a str),
}

/// Splits `a {b} c`; there is no escape, because a record's text needs no braces.
pub(crate) fn placeholders(template: &str) -> Result<Vec<TemplatePart<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err("`embed_template` opens a `{` that nothing closes".to_owned());
        };
        parts.push(TemplatePart::Text(before));
        parts.push(TemplatePart::Field(name.trim()));
        rest = after;
    }
    parts.push(TemplatePart::Text(rest));
    Ok(parts)
}

/// Headers are compared without case, spaces, `_` and `-`, and with full-width letters as narrow ones.
pub(crate) fn header_key(header: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    header
        .nfkc()
        .flat_map(char::to_lowercase)
        .filter(|it| !it.is_whitespace() && !matches!(it, '_' | '-' | '\u{feff}'))
        .collect()
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
}

/// The long form of a field on the wire.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenField {
    #[serde(rename = "type")]
    kind: FieldKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    embed: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    show: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

/// Short or long, told apart by shape and not by trial, so that the error speaks of what was written.
struct FieldForm(WrittenField);

impl<'de> Deserialize<'de> for FieldForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FieldForm, D::Error> {
        struct FormVisitor;
        impl<'de> Visitor<'de> for FormVisitor {
            type Value = FieldForm;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a field type (text, number, boolean, date, keyword, list) or a map with `type`")
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<FieldForm, E> {
                let kind = FieldKind::deserialize(serde::de::value::StrDeserializer::<E>::new(value))?;
                Ok(FieldForm(WrittenField { kind, embed: None, filter: None, show: None, title: None }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FieldForm, A::Error> {
                WrittenField::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(FieldForm)
            }
        }
        deserializer.deserialize_any(FormVisitor)
    }
}

fn read_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FieldSpec>, D::Error> {
    struct FieldsVisitor;
    impl<'de> Visitor<'de> for FieldsVisitor {
        type Value = Vec<FieldSpec>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map from field names to field types")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<FieldSpec>, A::Error> {
            let mut fields: Vec<FieldSpec> = Vec::new();
            while let Some(name) = map.next_key::<String>()? {
                if fields.iter().any(|it| it.name == name) {
                    return Err(A::Error::custom(format!("the field `{name}` is there twice")));
                }
                let FieldForm(written) = map.next_value()?;
                let usual = FieldSpec::new(&name, written.kind);
                fields.push(FieldSpec {
                    embed: written.embed.unwrap_or(usual.embed),
                    filter: written.filter.unwrap_or(usual.filter),
                    show: written.show.unwrap_or(usual.show),
                    title: written.title,
                    ..usual
                });
            }
            Ok(fields)
        }
    }
    deserializer.deserialize_map(FieldsVisitor)
}

fn write_fields<S: Serializer>(fields: &[FieldSpec], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|it| {
        let FieldSpec { name, kind, embed, filter, show, title } = it;
        let written = WrittenField {
            kind: *kind,
            embed: Some(*embed),
            filter: Some(*filter),
            show: Some(*show),
            title: title.clone(),
        };
        (name, written)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_fields_are_read_and_survive_json() {
        let spec = BaseSpec::from_yaml(
            "knowledge: menu\ntitle: 菜单\nfields:\n  name: keyword\n  price: { type: number, title: 价格 }\n  note: { type: text, embed: false }\n",
        )
        .unwrap();
        assert_eq!(spec.fields.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["name", "price", "note"]);
        assert!(spec.fields[0].embed && spec.fields[0].filter);
        assert!(!spec.fields[1].embed && spec.fields[1].filter);
        assert!(!spec.fields[2].embed && !spec.fields[2].filter);
        let back: BaseSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let error = BaseSpec::from_yaml(
            "knowledge: My Menu\nembed_template: '{nope} {price}'\nfields:\n  score: number\n  price: number\n  Price2: { type: number, title: 价 }\n  cost: { type: number, title: 价 }\n",
        )
        .unwrap_err();
        let all = error.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for expected in ["`My Menu`", "`score`", "`Price2`", "two fields", "{nope}"] {
            assert!(all.contains(expected), "{expected} is missing in\n{all}");
        }
        assert_eq!(error.code(), "invalid_knowledge_base");
    }

    #[test]
    fn an_unknown_type_or_key_says_what_there_is() {
        let error = BaseSpec::from_yaml("knowledge: a\nfields:\n  x: colour\n").unwrap_err().to_string();
        assert!(error.contains("colour") && error.contains("keyword"), "{error}");
        let error = BaseSpec::from_yaml("knowledge: a\nfields:\n  x: { type: text, embedded: true }\n").unwrap_err();
        assert!(error.to_string().contains("embedded"), "{error}");
    }

    #[test]
    fn splitting_is_checked_and_left_out_where_it_is_usual() {
        let usual = BaseSpec::from_yaml("knowledge: a\n").unwrap();
        assert_eq!(usual.splitting, Splitting { tokens: 400, overlap: 0.15, parent: None });
        assert!(serde_json::to_value(&usual).unwrap().get("splitting").is_none());
        let own = BaseSpec::from_yaml("knowledge: a\nsplitting: { tokens: 200, parent: 900 }\n").unwrap();
        assert_eq!(own.splitting, Splitting { tokens: 200, overlap: 0.15, parent: Some(900) });
        let error =
            BaseSpec::from_yaml("knowledge: a\nsplitting: { tokens: 10, overlap: 0.6, parent: 5 }\n").unwrap_err();
        let all = error.to_string();
        for expected in ["`splitting.tokens` is 10", "0 to 0.5", "more than the 10 tokens"] {
            assert!(all.contains(expected), "{expected} is missing in {all}");
        }
        assert!(BaseSpec::from_yaml("knowledge: a\nsplitting: { tokens: 400, overlap: .nan }\n").is_err());
        assert_eq!(BaseSpec::from_yaml("knowledge: a\nwords: [小炒黄]\n").unwrap().words, ["小炒黄"]);
        let error = BaseSpec::from_yaml("knowledge: a\nwords: [黄]\n").unwrap_err();
        assert!(error.to_string().contains("2 to 64"), "{error}");
    }

    #[test]
    fn a_table_with_nothing_to_search_is_refused() {
        let error = BaseSpec::from_yaml("knowledge: a\nfields:\n  x: number\n").unwrap_err();
        assert!(error.to_string().contains("embed: true"), "{error}");
    }
}
