//! A SELECT as what the server is asked for and what is done with its rows. Whatever the two cannot do together is an error that
//! names it: a clause that was passed over would give a wrong figure without anybody noticing.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has a hundred forms, and what is not named is refused"
)]

use parlour_plugin_sdk::serde_json::{Map, json};
use parlour_plugin_sdk::{Error, Result, Value};
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, LimitClause, ObjectNamePart, OrderByExpr, OrderByKind, OrderBySort, Query,
    Select, SelectItem, SetExpr, TableFactor, Value as Literal,
};

use super::compiler::{Compiler, is_sum};
use super::condition;
use super::expression::Expression;
use super::scope::{Scope, not_supported, refused};

pub(super) struct Plan {
    pub(super) base: String,
    /// Members of the server's query, without the order and the part.
    pub(super) members: Map<String, Value>,
    /// What is shown, computed from the server's rows; all fields where it is none.
    pub(super) columns: Option<Vec<(String, Expression)>>,
    pub(super) having: Option<Expression>,
    pub(super) order: Order,
    pub(super) offset: u32,
    pub(super) limit: Option<usize>,
}

/// Who orders the rows, and takes the part that is shown.
pub(super) enum Order {
    /// The server, by `order_by`.
    There(Vec<Value>),
    /// This plugin, because the server does not know what they are ordered by, or HAVING takes some away. True is descending.
    Here(Vec<(Expression, bool)>),
}

impl Plan {
    pub(super) fn of(query: &Query, parameters: &Map<String, Value>) -> Result<Self> {
        let select = select_of(query)?;
        let (base, tables) = base_of(select)?;
        let scope = Scope { parameters, tables };
        let mut members = Map::new();
        if let Some(condition) = &select.selection {
            members.insert("filter".to_owned(), condition::filter(&scope, condition, true)?);
        }
        let (offset, limit) = part_of(&scope, query)?;
        let keys = order_keys(query)?;
        let by = groups_of(&scope, select, &keys)?;
        let mut compiler = Compiler { scope, by, figures: Map::new(), fields: Vec::new(), names: Vec::new() };
        let columns = compiler.columns(select)?;
        // From here on a name may be one that SELECT has given.
        compiler.names = columns.clone().unwrap_or_default();
        let having = select.having.as_ref().map(|it| compiler.expression(it)).transpose()?;
        let order: Vec<(Expression, bool)> =
            keys.into_iter().map(|(key, descending)| Ok((compiler.key(key)?, descending))).collect::<Result<_>>()?;
        let Compiler { by, figures, fields, .. } = compiler;
        match by {
            Some(by) => {
                members.insert("group_by".to_owned(), by.into());
                members.insert("aggregate".to_owned(), figures.into());
            }
            None if columns.is_some() => {
                members.insert("select".to_owned(), fields.into());
            }
            None => {}
        }
        let known = |(expression, descending): &(Expression, bool)| match expression {
            Expression::Member(name) => Some(json!({ "by": name, "descending": descending })),
            _ => None,
        };
        let order = match order.iter().map(known).collect::<Option<Vec<Value>>>() {
            Some(known) if having.is_none() => Order::There(known),
            _ => Order::Here(order),
        };
        Ok(Self { base, members, columns, having, order, offset, limit })
    }
}

/// The one SELECT of a statement, without the clauses that nothing here understands.
fn select_of(query: &Query) -> Result<&Select> {
    let select = match query.body.as_ref() {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { op, .. } => {
            return Err(refused(&op.to_string(), "ask twice, and put the rows together in the workflow"));
        }
        _ => return Err(refused("a SELECT in brackets, VALUES or TABLE", "write `SELECT … FROM …`")),
    };
    let clauses = [
        (query.with.is_some(), "WITH", "write one SELECT, or ask twice"),
        (query.fetch.is_some(), "FETCH", "write LIMIT"),
        (!query.locks.is_empty(), "FOR UPDATE", "this plugin reads and locks nothing"),
        (query.for_clause.is_some(), "FOR XML or FOR JSON", "rows are given as JSON anyway"),
        (query.settings.is_some() || query.format_clause.is_some(), "SETTINGS or FORMAT", "leave it out"),
        (!query.pipe_operators.is_empty(), "`|>`", "write one SELECT"),
        (select.into.is_some(), "INTO", "this plugin reads and writes nothing"),
        (select.top.is_some(), "TOP", "write LIMIT"),
        (select.exclude.is_some(), "EXCLUDE", "name the columns"),
        (select.prewhere.is_some(), "PREWHERE", "write WHERE"),
        (select.qualify.is_some() || !select.named_window.is_empty(), "a window", "use GROUP BY"),
        (
            !(select.lateral_views.is_empty()
                && select.connect_by.is_empty()
                && select.cluster_by.is_empty()
                && select.distribute_by.is_empty()
                && select.sort_by.is_empty()
                && select.value_table_mode.is_none()),
            "this form of SELECT",
            "write SELECT, FROM, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT",
        ),
    ];
    match clauses.into_iter().find(|(is_there, ..)| *is_there) {
        Some((_, what, hint)) => Err(refused(what, hint)),
        None => Ok(select),
    }
}

/// The knowledge base, and the names by which the statement may call it.
fn base_of(select: &Select) -> Result<(String, Vec<&str>)> {
    let join =
        || refused("a join", "a query reads one knowledge base; ask twice, and put the rows together in the workflow");
    let from = match select.from.as_slice() {
        [] => return Err(Error::invalid_input("there is no FROM; name the knowledge base after it")),
        [one] if one.joins.is_empty() => &one.relation,
        _ => return Err(join()),
    };
    match from {
        TableFactor::Table { name, alias, args: None, .. } => match name.0.as_slice() {
            [ObjectNamePart::Identifier(base)] => {
                let tables = std::iter::once(&base.value).chain(alias.iter().map(|it| &it.name.value));
                Ok((base.value.clone(), tables.map(String::as_str).collect()))
            }
            _ => Err(Error::InvalidInput(format!(
                "`{name}` is no knowledge base's name; put a name with a dot or a blank in it in double quotes"
            ))),
        },
        TableFactor::Derived { .. } => Err(refused("a subquery", "name a knowledge base after FROM")),
        TableFactor::NestedJoin { .. } => Err(join()),
        other => Err(refused(&format!("`{other}`"), "name a knowledge base after FROM")),
    }
}

/// `OFFSET` and `LIMIT`.
fn part_of(scope: &Scope<'_>, query: &Query) -> Result<(u32, Option<usize>)> {
    let (limit, offset) = match &query.limit_clause {
        None => (None, None),
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
            (limit.as_ref(), offset.as_ref().map(|it| &it.value))
        }
        Some(LimitClause::LimitOffset { .. }) => return Err(refused("LIMIT … BY", "write LIMIT")),
    };
    let whole = |word: &str, expr: &Expr| {
        let value = scope.constant(expr)?.and_then(|it| it.as_u64()).and_then(|it| u32::try_from(it).ok());
        value.ok_or_else(|| Error::InvalidInput(format!("{word} takes a whole number, and it is `{expr}`")))
    };
    let limit = limit.map(|it| whole("LIMIT", it)).transpose()?;
    let offset = offset.map(|it| whole("OFFSET", it)).transpose()?;
    Ok((offset.unwrap_or(0), limit.map(|it| usize::try_from(it).unwrap_or(usize::MAX))))
}

/// What the rows are ordered by; true is descending.
fn order_keys(query: &Query) -> Result<Vec<(&Expr, bool)>> {
    let Some(order) = &query.order_by else { return Ok(Vec::new()) };
    let OrderByKind::Expressions(keys) = &order.kind else {
        return Err(refused("ORDER BY ALL", "name the columns"));
    };
    let key = |key: &OrderByExpr| match (key.options.nulls_first, &key.with_fill) {
        (Some(true), _) => Err(refused("NULLS FIRST", "rows without a value come last")),
        (_, Some(_)) => Err(refused("WITH FILL", "leave it out")),
        (_, None) => Ok(key.options.sort == Some(OrderBySort::Desc)),
    };
    keys.iter().map(|it| Ok((&it.expr, key(it)?))).collect()
}

/// The fields whose values make a group each, or none where the records themselves are shown.
fn groups_of(scope: &Scope<'_>, select: &Select, keys: &[(&Expr, bool)]) -> Result<Option<Vec<String>>> {
    let GroupByExpr::Expressions(written, modifiers) = &select.group_by else {
        return Err(refused("GROUP BY ALL", "name the columns"));
    };
    if !modifiers.is_empty() {
        return Err(refused("WITH ROLLUP, CUBE or TOTALS", "ask once more without GROUP BY"));
    }
    let shown = || select.projection.iter().filter_map(item);
    let adds_up = shown().map(|(expr, _)| expr).chain(&select.having).chain(keys.iter().map(|it| it.0)).any(is_sum);
    match &select.distinct {
        None | Some(Distinct::All) => {}
        Some(Distinct::On(_)) => return Err(refused("DISTINCT ON", "use GROUP BY")),
        Some(Distinct::Distinct) if adds_up || !written.is_empty() => {
            return Err(refused("DISTINCT beside sums or GROUP BY", "leave it out: a group is one row"));
        }
        Some(Distinct::Distinct) => {
            let column = |it: &SelectItem| match item(it) {
                Some((expr, _)) => {
                    scope.column(expr)?.ok_or_else(|| not_supported(expr, "SELECT DISTINCT takes columns"))
                }
                None => Err(refused("SELECT DISTINCT *", "name the columns")),
            };
            return unique(select.projection.iter().map(column)).map(Some);
        }
    }
    if written.is_empty() && !adds_up {
        return match select.having {
            Some(_) => Err(Error::invalid_input("HAVING is for groups, and there is no GROUP BY; write WHERE")),
            None => Ok(None),
        };
    }
    let column = |expr: &Expr| {
        let meant = match expr {
            Expr::Value(_) => shown_at(expr, &select.projection).and_then(item).map(|it| it.0),
            // A name that SELECT gives to a column is that column.
            Expr::Identifier(name) => shown()
                .find(|(of, alias)| {
                    alias.is_some_and(|it| it.value == name.value) && matches!(scope.column(of), Ok(Some(_)))
                })
                .map(|it| it.0),
            _ => None,
        };
        let column = scope.column(meant.unwrap_or(expr))?;
        column
            .ok_or_else(|| not_supported(expr, "GROUP BY takes columns; keep what you group by in a field of its own"))
    };
    unique(written.iter().map(column)).map(Some)
}

fn unique(names: impl Iterator<Item = Result<String>>) -> Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        let name = name?;
        if !all.contains(&name) {
            all.push(name);
        }
    }
    Ok(all)
}

/// What a part of SELECT shows, and under which name.
pub(super) fn item(item: &SelectItem) -> Option<(&Expr, Option<&Ident>)> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some((expr, None)),
        SelectItem::ExprWithAlias { expr, alias } => Some((expr, Some(alias))),
        SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => None,
    }
}

/// `GROUP BY 1` and `ORDER BY 1`: the first of what is shown.
pub(super) fn shown_at<'i, T>(expr: &Expr, items: &'i [T]) -> Option<&'i T> {
    let Expr::Value(literal) = expr else { return None };
    let Literal::Number(digits, _) = &literal.value else { return None };
    items.get(digits.parse::<usize>().ok()?.checked_sub(1)?)
}
