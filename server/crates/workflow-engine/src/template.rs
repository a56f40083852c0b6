//! A node's configuration, compiled: plain values stay as they are, `{{ … }}` becomes an expression, everything else with
//! braces in it becomes text with segments.

use minijinja::Value;
use serde_json::{Map, Value as Json};

use crate::effect::{EffectError, SecretPart, SecretText};
use crate::expression::nesting;
use crate::expression::{Block, Expression, ExpressionError, MAX_TEXT_BYTES, Names, Path, from_json, to_json, to_text};
use crate::segments::{Segment, split};

/// A value that may contain expressions.
#[derive(Debug)]
pub(crate) enum Template {
    Literal(Json),
    /// The whole string is one `{{ expression }}`: gives the typed value.
    Expression(Box<Expression>),
    Text(Text),
    List(Vec<Template>),
    Map(Vec<(String, Template)>),
}

/// Text with expressions in it, in pieces.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pub(crate) pieces: Vec<Piece>,
}

#[derive(Debug)]
pub(crate) enum Piece {
    Literal(String),
    Value(Box<Expression>),
    Block(Box<Block>),
}

impl Piece {
    pub(crate) fn reads(&self) -> &[Path] {
        match self {
            Piece::Literal(_) => &[],
            Piece::Value(it) => it.reads(),
            Piece::Block(it) => it.reads(),
        }
    }

    pub(crate) fn render(&self, names: &dyn Names) -> Result<String, EffectError> {
        match self {
            Piece::Literal(text) => Ok(text.clone()),
            Piece::Value(it) => to_text(&it.evaluate(names)?),
            Piece::Block(it) => it.render(names),
        }
    }

    /// The secret that this piece names and nothing else.
    fn secret(&self) -> Option<&str> {
        let Piece::Value(expression) = self else { return None };
        let name = expression.source().trim().strip_prefix("secrets.")?;
        let plain = name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
        (plain && !name.is_empty()).then_some(name)
    }

    /// The node whose `text` this piece is and nothing else.
    pub(crate) fn text_of(&self) -> Option<&str> {
        let Piece::Value(expression) = self else { return None };
        let (name, output) = expression.source().trim().split_once('.')?;
        (output == "text" && crate::names::is_id(name)).then_some(name)
    }
}

impl Text {
    pub(crate) fn compile(source: &str) -> Result<Text, ExpressionError> {
        nesting::check_template(source)?;
        let Some(segments) = split(source) else {
            // The renderer says best what is not closed.
            return match Block::compile(source) {
                Ok(block) => Ok(Text { pieces: vec![Piece::Block(Box::new(block))] }),
                Err(error) => Err(error),
            };
        };
        let pieces = segments
            .into_iter()
            .map(|it| {
                Ok(match it {
                    Segment::Literal(text) => Piece::Literal(text),
                    Segment::Value(source) => Piece::Value(Box::new(Expression::compile(&source)?)),
                    Segment::Block(source) => Piece::Block(Box::new(Block::compile(&source)?)),
                })
            })
            .collect::<Result<_, ExpressionError>>()?;
        Ok(Text { pieces })
    }

    pub(crate) fn render(&self, names: &dyn Names) -> Result<String, EffectError> {
        let mut out = String::new();
        for piece in &self.pieces {
            out.push_str(&piece.render(names)?);
            check_length(out.len())?;
        }
        Ok(out)
    }

    pub(crate) fn reads(&self) -> impl Iterator<Item = &Path> {
        self.pieces.iter().flat_map(Piece::reads)
    }
}

/// Text into which secrets may go. Which pieces are secrets is decided here, by the document; data that looks like one
/// stays data.
#[derive(Debug, Default)]
pub(crate) struct SecretTemplate {
    pieces: Vec<SecretPiece>,
}

#[derive(Debug)]
enum SecretPiece {
    Secret(String),
    Plain(Piece),
}

impl SecretTemplate {
    pub(crate) fn new(text: Text) -> SecretTemplate {
        let pieces = text.pieces.into_iter().map(|piece| match piece.secret().map(str::to_owned) {
            Some(name) => SecretPiece::Secret(name),
            None => SecretPiece::Plain(piece),
        });
        SecretTemplate { pieces: pieces.collect() }
    }

    pub(crate) fn has_secret(&self) -> bool {
        self.pieces.iter().any(|it| matches!(it, SecretPiece::Secret(_)))
    }

    pub(crate) fn evaluate(&self, names: &dyn Names) -> Result<SecretText, EffectError> {
        let mut parts = Vec::new();
        let mut bytes = 0;
        for piece in &self.pieces {
            match piece {
                SecretPiece::Secret(name) => parts.push(SecretPart::Secret(name.clone())),
                SecretPiece::Plain(piece) => {
                    let text = piece.render(names)?;
                    bytes += text.len();
                    check_length(bytes)?;
                    parts.push(SecretPart::Text(text));
                }
            }
        }
        Ok(SecretText(parts))
    }

    pub(crate) fn reads(&self) -> impl Iterator<Item = &Path> {
        self.pieces.iter().flat_map(|it| match it {
            SecretPiece::Secret(_) => &[],
            SecretPiece::Plain(piece) => piece.reads(),
        })
    }
}

pub(crate) fn check_length(bytes: usize) -> Result<(), EffectError> {
    if bytes <= MAX_TEXT_BYTES {
        return Ok(());
    }
    Err(EffectError {
        code: "budget_exceeded".to_owned(),
        message: format!("a text grew beyond {MAX_TEXT_BYTES} bytes"),
        hint: Some("write less, or fewer items".to_owned()),
        retry_after_ms: None,
    })
}

/// The inside of a string that is exactly one `{{ expression }}`.
pub(crate) fn single_expression(text: &str) -> Option<String> {
    match split(text.trim())?.as_slice() {
        [Segment::Value(inside)] if text.trim().starts_with("{{") && text.trim().ends_with("}}") => {
            Some(inside.clone())
        }
        _ => None,
    }
}

/// Whether a string is more than plain text.
pub(crate) fn has_expression(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

impl Template {
    pub(crate) fn evaluate(&self, names: &dyn Names) -> Result<Json, EffectError> {
        Ok(match self {
            Template::Literal(value) => value.clone(),
            Template::Expression(it) => to_json(&it.evaluate(names)?)?,
            Template::Text(it) => Json::String(it.render(names)?),
            Template::List(items) => {
                Json::Array(items.iter().map(|it| it.evaluate(names)).collect::<Result<_, EffectError>>()?)
            }
            Template::Map(entries) => {
                Json::Object(entries.iter().map(|(key, it)| Ok((key.clone(), it.evaluate(names)?))).collect::<Result<
                    Map<_, _>,
                    EffectError,
                >>(
                )?)
            }
        })
    }

    /// Like `evaluate`, without the detour over JSON where the value is only looked at.
    pub(crate) fn value(&self, names: &dyn Names) -> Result<Value, EffectError> {
        match self {
            Template::Expression(it) => it.evaluate(names),
            Template::Literal(_) | Template::Text(_) | Template::List(_) | Template::Map(_) => {
                Ok(from_json(self.evaluate(names)?))
            }
        }
    }
}
