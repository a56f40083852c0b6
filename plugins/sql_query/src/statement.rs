//! The SQL as it was written: one SELECT, its words, and its placeholders `:name` compared with the values that came along.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has a hundred forms, and what is not named is refused"
)]

use std::collections::BTreeSet;

use parlour_plugin_sdk::serde_json::Map;
use parlour_plugin_sdk::{Error, Result, Value};
use sqlparser::ast;
use sqlparser::dialect::{ClickHouseDialect, Dialect as Grammar, SQLiteDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

/// No question that a person or a model writes is longer, and a call has a second for everything.
const MAX_BYTES: usize = 32 << 10;
/// Operators and keywords. `1+1+1+…` is as deep as it is long, and whoever walks it needs the stack for it.
const MAX_OPERATORS: usize = 500;

/// Whose SQL it is. All three are read strictly: what a database would read another way is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Knowledge bases: names as in SQLite, where Chinese ones need no quotes.
    Tables,
    Sqlite,
    Clickhouse,
}

/// One statement that reads, as far as its grammar tells.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) query: Box<ast::Query>,
    /// Without comments; a placeholder is one token. Texts are as they were written, except for [`Dialect::Tables`].
    pub(crate) tokens: Vec<Token>,
}

impl Dialect {
    fn grammar(self) -> &'static dyn Grammar {
        match self {
            Self::Tables | Self::Sqlite => &SQLiteDialect {},
            Self::Clickhouse => &ClickHouseDialect {},
        }
    }
}

impl Statement {
    /// # Errors
    /// `InvalidInput` for what is no single SELECT, and for parameters that are missing or not used.
    pub(crate) fn read(sql: &str, dialect: Dialect, parameters: &Map<String, Value>) -> Result<Self> {
        if sql.len() > MAX_BYTES {
            let length = sql.len();
            return Err(Error::InvalidInput(format!("`sql` has {length} bytes; at most {MAX_BYTES} are read")));
        }
        let grammar = dialect.grammar();
        // What goes on to a database keeps its texts as they are written, so that nothing is escaped anew.
        let keep = dialect != Dialect::Tables;
        let tokens = Tokenizer::new(grammar, sql).with_unescape(!keep).tokenize_with_location();
        let tokens = tokens.map_err(|error| Error::InvalidInput(format!("the SQL cannot be read: {error}")))?;
        let tokens = checked(with_placeholders(tokens)?, dialect)?;
        compare(&tokens, parameters)?;
        let mut parser = Parser::new(grammar).with_tokens_with_locations(tokens.clone());
        let unread = |error| Error::InvalidInput(format!("the SQL cannot be read: {error}"));
        let query = parser.parse_query().map_err(unread)?;
        let rest = parser.peek_token();
        if rest.token != Token::EOF {
            return Err(Error::InvalidInput(format!(
                "the SQL cannot be read: `{}` is not expected{}",
                rest.token,
                place(rest.span.start)
            )));
        }
        Ok(Self { query, tokens: tokens.into_iter().map(|it| it.token).collect() })
    }
}

/// ` at Line: 1, Column: 8`, as the parser says it.
fn place(at: Location) -> String {
    if at.line == 0 { String::new() } else { format!(" at Line: {}, Column: {}", at.line, at.column) }
}

/// `:` and a name become one token; comments, and whatever stands around them, become one blank.
fn with_placeholders(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(TokenWithSpan { token, span }) = tokens.next() {
        let token = match token {
            Token::Colon => {
                let is_name = |it: &TokenWithSpan| matches!(&it.token, Token::Word(word) if word.quote_style.is_none());
                let Some(TokenWithSpan { token: Token::Word(name), .. }) = tokens.next_if(is_name) else {
                    return Err(Error::InvalidInput(format!(
                        "`:`{} is not followed by a name; a value is written as `:name`, in letters, digits and `_`",
                        place(span.start)
                    )));
                };
                Token::Placeholder(format!(":{}", name.value))
            }
            Token::Placeholder(_) | Token::Question | Token::AtSign | Token::AtAt => {
                return Err(Error::InvalidInput(format!(
                    "`{token}`{} is no placeholder here; write the value as `:name` and give it in `parameters`",
                    place(span.start)
                )));
            }
            Token::Whitespace(_) => {
                if joined.last().is_some_and(|it| matches!(it.token, Token::Whitespace(_))) {
                    continue;
                }
                Token::Whitespace(Whitespace::Space)
            }
            other => other,
        };
        joined.push(TokenWithSpan { token, span });
    }
    Ok(joined)
}

/// Only tokens that every database reads as we do, and of one statement that begins as one that reads.
fn checked(mut tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Result<Vec<TokenWithSpan>> {
    let is_end = |it: &TokenWithSpan| matches!(it.token, Token::Whitespace(_) | Token::SemiColon | Token::EOF);
    while tokens.last().is_some_and(is_end) {
        tokens.pop();
    }
    let first = tokens.iter().map(|it| &it.token).find(|it| !matches!(it, Token::Whitespace(_)));
    match first {
        None => return Err(Error::invalid_input("`sql` is empty; write a SELECT")),
        Some(Token::LParen) => {}
        Some(Token::Word(word)) if matches!(word.keyword, Keyword::SELECT | Keyword::WITH) => {}
        Some(other) => {
            return Err(Error::InvalidInput(format!(
                "only SELECT is allowed, and this begins with `{other}`; this plugin reads and changes nothing"
            )));
        }
    }
    let mut operators = 0;
    for TokenWithSpan { token, span } in &tokens {
        let refused = |what: String, hint: &str| {
            Err(Error::InvalidInput(format!("{what}{} is not allowed; {hint}", place(span.start))))
        };
        match token {
            Token::SemiColon => return refused("a second statement".to_owned(), "send one SELECT at a time"),
            Token::LBrace => {
                return refused("`{`".to_owned(), "write values as `:name`; their types are found out by themselves");
            }
            Token::Word(Word { quote_style: Some('['), .. }) => {
                return refused(format!("the name `{token}`"), "put names in double quotes");
            }
            // ClickHouse reads `\"` as a quote inside the name, and the name would end elsewhere.
            Token::Word(Word { quote_style: Some(_), value, .. })
                if dialect == Dialect::Clickhouse && value.contains('\\') =>
            {
                return refused(format!("`\\` in the name `{token}`"), "rename the column in a view");
            }
            Token::Word(Word { keyword: Keyword::INTO, quote_style: None, .. }) => {
                return refused("INTO".to_owned(), "this plugin reads and writes nothing");
            }
            Token::Word(Word { keyword: Keyword::NoKeyword, .. })
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Placeholder(_)
            | Token::Whitespace(_)
            | Token::Comma
            | Token::Period
            | Token::LParen
            | Token::RParen => {}
            // `0x1f` and `x'1f'` are one token and two values.
            Token::HexStringLiteral(_) => {
                return refused("a hexadecimal value".to_owned(), "write a decimal number or a text");
            }
            other if is_other_text(other) => {
                return refused(format!("`{other}`"), "put texts in single quotes");
            }
            _ => operators += 1,
        }
    }
    if operators > MAX_OPERATORS {
        return Err(Error::InvalidInput(format!(
            "`sql` has {operators} operators and keywords; at most {MAX_OPERATORS} are read. Many values go into one list: \
             `IN (:values)`"
        )));
    }
    Ok(tokens)
}

/// Texts that only some databases know: in another one they end elsewhere.
fn is_other_text(token: &Token) -> bool {
    matches!(
        token,
        Token::DoubleQuotedString(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::TripleSingleQuotedByteStringLiteral(_)
            | Token::TripleDoubleQuotedByteStringLiteral(_)
            | Token::SingleQuotedRawStringLiteral(_)
            | Token::DoubleQuotedRawStringLiteral(_)
            | Token::TripleSingleQuotedRawStringLiteral(_)
            | Token::TripleDoubleQuotedRawStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::QuoteDelimitedStringLiteral(_)
            | Token::NationalQuoteDelimitedStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
    )
}

/// Every placeholder has a value of a kind that a database knows, and every value its placeholder.
fn compare(tokens: &[TokenWithSpan], parameters: &Map<String, Value>) -> Result<()> {
    let placeholders = tokens.iter().filter_map(|it| match &it.token {
        Token::Placeholder(name) => name.strip_prefix(':'),
        _ => None,
    });
    let used: BTreeSet<&str> = placeholders.collect();
    let mut problems = Vec::new();
    for name in used.iter().filter(|it| !parameters.contains_key(**it)) {
        problems.push(format!("`:{name}` has no value in `parameters`"));
    }
    for (name, value) in parameters {
        if !used.contains(name.as_str()) {
            problems.push(format!("the parameter `{name}` is not used; the SQL has no `:{name}`"));
        }
        let is_scalar = |it: &Value| !matches!(it, Value::Array(_) | Value::Object(_));
        match value {
            Value::Object(_) => problems
                .push(format!("the parameter `{name}` is an object; a value is a text, a number, true, false or null")),
            Value::Array(items) if !items.iter().all(is_scalar) => {
                problems.push(format!("the parameter `{name}` is a list with lists or objects in it"));
            }
            Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::InvalidInput(problems.join("; "))) }
}
