//! What stands between a statement and a database that could do more than read. A SELECT can write too, by its clauses and its
//! functions, and reach files and other servers. The database's own rights are the second lock: the README says which to give.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has a hundred forms, and what is not named is refused"
)]

use std::ops::ControlFlow;

use parlour_plugin_sdk::{Error, Result};
use sqlparser::ast::{
    Expr, ObjectName, ObjectNamePart, Query, Select, SetExpr, Statement as AnyStatement, TableFactor, Visit as _,
    Visitor,
};
use sqlparser::tokenizer::Token;

use crate::statement::{Dialect, Statement};

/// ClickHouse makes tables of nearly anything that can be reached, and of more with every release. So these are the functions
/// that may stand after FROM: none reads outside the database.
const CLICKHOUSE_TABLES: &[&str] = &[
    "dictionary",
    "generate_series",
    "generaterandom",
    "generateseries",
    "merge",
    "null",
    "numbers",
    "numbers_mt",
    "values",
    "zeros",
    "zeros_mt",
];
/// Functions that make a list. ClickHouse takes a table function after IN as well, so others must not stand there.
const CLICKHOUSE_LISTS: &[&str] = &["array", "range", "splitbychar", "splitbystring", "tuple"];
/// IN as a function, which hides what stands in it.
const CLICKHOUSE_IN: &[&str] =
    &["globalin", "globalnotin", "globalnotnullin", "globalnullin", "in", "notin", "notnullin", "nullin"];
/// ClickHouse's functions that reach files, other servers or programs, or only hold a connection. Table functions are here too,
/// because an expression may hide one.
const CLICKHOUSE_OUTSIDE: &[&str] = &[
    "arrowflight",
    "catboostevaluate",
    "cluster",
    "clusterallreplicas",
    "executable",
    "file",
    "filecluster",
    "gcs",
    "hascolumnintable",
    "input",
    "jdbc",
    "loop",
    "modelevaluate",
    "mongodb",
    "mysql",
    "odbc",
    "postgresql",
    "python",
    "redis",
    "remote",
    "remotesecure",
    "reversednsquery",
    "sleep",
    "sleepeachrow",
    "sqlite",
    "url",
    "urlcluster",
    "view",
    "viewifpermitted",
    "ytsaurus",
];
/// Families of table functions: `s3`, `s3Cluster`, `icebergAzure`, …
const CLICKHOUSE_FAMILIES: &[&str] = &["azureblobstorage", "deltalake", "hdfs", "hudi", "iceberg", "paimon", "s3"];
/// SQLite's functions, of itself or of its usual extensions, that reach files.
const SQLITE_OUTSIDE: &[&str] = &["edit", "fsdir", "fts3_tokenizer", "load_extension", "readfile", "writefile"];

/// # Errors
/// `InvalidInput` that names what does more than read, and says what to do instead.
pub(crate) fn reads_only(statement: &Statement, dialect: Dialect) -> Result<()> {
    let Statement { query, tokens } = statement;
    if let SetExpr::Values(_) | SetExpr::Table(_) = query.body.as_ref() {
        return Err(Error::invalid_input("only SELECT is allowed; write `SELECT … FROM …`"));
    }
    // Every function is a word before a bracket, wherever in the statement it hides.
    let mut words = tokens.iter().filter(|it| !matches!(it, Token::Whitespace(_))).peekable();
    while let Some(token) = words.next() {
        if let (Token::Word(word), Some(Token::LParen)) = (token, words.peek())
            && is_outside(&word.value, dialect)
        {
            return Err(Error::InvalidInput(format!(
                "`{}()` is not allowed, because it reaches beyond the database; use what lies in its tables",
                word.value
            )));
        }
    }
    match query.visit(&mut Guard { dialect }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => Err(Error::InvalidInput(problem)),
    }
}

fn is_outside(name: &str, dialect: Dialect) -> bool {
    let name = name.to_ascii_lowercase();
    match dialect {
        Dialect::Tables => false,
        Dialect::Sqlite => SQLITE_OUTSIDE.contains(&name.as_str()),
        Dialect::Clickhouse => {
            CLICKHOUSE_OUTSIDE.contains(&name.as_str()) || CLICKHOUSE_FAMILIES.iter().any(|it| name.starts_with(it))
        }
    }
}

struct Guard {
    dialect: Dialect,
}

impl Guard {
    fn table_function(&self, name: &ObjectName) -> ControlFlow<String> {
        let written = name.to_string();
        if self.dialect == Dialect::Clickhouse && !CLICKHOUSE_TABLES.contains(&written.to_ascii_lowercase().as_str()) {
            return ControlFlow::Break(format!(
                "the table function `{written}()` is not allowed; there are {}. Have the database's administrator make a table \
                 or a view of it",
                CLICKHOUSE_TABLES.join(", ")
            ));
        }
        ControlFlow::Continue(())
    }
}

fn not_allowed(what: &str, hint: &str) -> ControlFlow<String> {
    ControlFlow::Break(format!("{what} is not allowed; {hint}"))
}

impl Visitor for Guard {
    type Break = String;

    fn pre_visit_statement(&mut self, statement: &AnyStatement) -> ControlFlow<String> {
        let text = statement.to_string();
        let word = text.split_whitespace().next().unwrap_or_default();
        not_allowed(&format!("`{word}` inside a query"), "this plugin reads and changes nothing")
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        if !query.locks.is_empty() {
            return not_allowed("FOR UPDATE", "this plugin reads and locks nothing");
        }
        if query.for_clause.is_some() {
            return not_allowed("FOR XML or FOR JSON", "rows are given as JSON anyway");
        }
        if query.format_clause.is_some() {
            return not_allowed("FORMAT", "leave it out: this plugin asks for the format that it reads");
        }
        if query.settings.is_some() {
            return not_allowed("SETTINGS", "have the administrator set them for the user of this plugin");
        }
        if !query.pipe_operators.is_empty() {
            return not_allowed("`|>`", "write it as a subquery");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        if select.into.is_some() {
            return not_allowed("SELECT … INTO", "this plugin reads and writes nothing");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<String> {
        if relation.0.iter().any(|it| matches!(it, ObjectNamePart::Function(_))) {
            return not_allowed("a table's name that a function makes", "write the name");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.table_function(name)
            }
            TableFactor::TableFunction { .. } => not_allowed("TABLE(…)", "name the table"),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        if let (Dialect::Clickhouse, Expr::Function(function)) = (self.dialect, expr)
            && CLICKHOUSE_IN.contains(&function.name.to_string().to_ascii_lowercase().as_str())
        {
            return not_allowed(&format!("`{}()`", function.name), "write `x IN (…)`");
        }
        if let (Dialect::Clickhouse, Expr::InList { list, .. }) = (self.dialect, expr)
            && let [Expr::Function(function)] = list.as_slice()
        {
            let name = function.name.to_string().to_ascii_lowercase();
            if !CLICKHOUSE_LISTS.contains(&name.as_str()) && !CLICKHOUSE_TABLES.contains(&name.as_str()) {
                return not_allowed(
                    &format!("`IN {}(…)`", function.name),
                    "write a list of values, `IN (:values)`, or a subquery, `IN (SELECT …)`",
                );
            }
        }
        ControlFlow::Continue(())
    }
}
