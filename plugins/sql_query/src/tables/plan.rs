//! A SELECT as what the server is asked for and what is done with its rows. Whatever the two cannot do together is an error that
//! names it: a clause that was passed over would give a wrong figure without anybody noticing.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has a hundred forms, and what is not named is refused"
)]

use parlour_plugin_sdk::serde_json::{Map, Number, json};
use parlour_plugin_sdk::{Error, Result, Value};
use sqlparser::ast::{
    BinaryOperator, Distinct, DuplicateTreatment, Expr, Function as Called, FunctionArg, FunctionArgExpr,
    FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectNamePart, OrderByKind, Query, Select, SelectItem,
    SetExpr, TableFactor, UnaryOperator, Value as Literal,
};

use super::condition;
use super::expression::{Arithmetic, Expression, Function};

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

pub(super) fn not_supported(what: &Expr, hint: &str) -> Error {
    let what = match what {
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => "a subquery".to_owned(),
        Expr::Function(Called { over: Some(_), name, .. }) => format!("the window function `{name}`"),
        other => format!("`{other}`"),
    };
    refused(&what, hint)
}

fn refused(what: &str, hint: &str) -> Error {
    Error::InvalidInput(format!("{what} is not supported over knowledge bases; {hint}"))
}

/// What the names and the values in a statement stand for.
pub(super) struct Scope<'a> {
    parameters: &'a Map<String, Value>,
    /// The base's name and its alias.
    tables: Vec<&'a str>,
}

impl Scope<'_> {
    /// The column that an expression is, if it is one.
    pub(super) fn column(&self, expr: &Expr) -> Result<Option<String>> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(name) => Ok(Some(name.value.clone())),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [table, name] if self.tables.contains(&table.value.as_str()) => Ok(Some(name.value.clone())),
                _ => Err(Error::InvalidInput(format!(
                    "`{expr}` is of no table here; FROM names `{}`",
                    self.tables.join("`, `")
                ))),
            },
            _ => Ok(None),
        }
    }

    /// The value that an expression is, if it is one.
    pub(super) fn constant(&self, expr: &Expr) -> Result<Option<Value>> {
        match self.constant_or_list(expr)? {
            Some(Value::Array(_)) => {
                Err(Error::InvalidInput(format!("`{expr}` is a list, which goes after IN: `IN ({expr})`")))
            }
            other => Ok(other),
        }
    }

    pub(super) fn constant_or_list(&self, expr: &Expr) -> Result<Option<Value>> {
        match expr {
            Expr::Nested(inner) => self.constant_or_list(inner),
            Expr::Value(literal) => self.literal(&literal.value).map(Some),
            // `DATE '2026-10-01'`: the server reads the text by the column's type.
            Expr::TypedString(typed) => self.literal(&typed.value.value).map(Some),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match self.constant_or_list(expr)? {
                Some(Value::Number(number)) => Ok(Some(negative(&number))),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn literal(&self, literal: &Literal) -> Result<Value> {
        match literal {
            Literal::Number(digits, _) => {
                let digits = digits.replace('_', "");
                let whole = digits.parse::<i64>().ok().map(Number::from);
                let number = whole.or_else(|| Number::from_f64(digits.parse().ok()?));
                number.map(Value::Number).ok_or_else(|| Error::InvalidInput(format!("`{digits}` is no number")))
            }
            Literal::SingleQuotedString(text) => Ok(text.as_str().into()),
            Literal::Boolean(truth) => Ok((*truth).into()),
            Literal::Null => Ok(Value::Null),
            Literal::Placeholder(name) => {
                let name = name.strip_prefix(':').unwrap_or(name);
                Ok(self.parameters.get(name).cloned().unwrap_or_default())
            }
            other => {
                Err(refused(&format!("`{other}`"), "values are texts in single quotes, numbers, TRUE, FALSE and NULL"))
            }
        }
    }
}

fn negative(number: &Number) -> Value {
    match number.as_i64().and_then(i64::checked_neg) {
        Some(whole) => whole.into(),
        None => number.as_f64().map_or(Value::Null, |it| (-it).into()),
    }
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
    let key = |key: &'_ sqlparser::ast::OrderByExpr| match (key.options.nulls_first, &key.with_fill) {
        (Some(true), _) => Err(refused("NULLS FIRST", "rows without a value come last")),
        (_, Some(_)) => Err(refused("WITH FILL", "leave it out")),
        (_, None) => Ok(key.options.sort == Some(sqlparser::ast::OrderBySort::Desc)),
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
fn item(item: &SelectItem) -> Option<(&Expr, Option<&Ident>)> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some((expr, None)),
        SelectItem::ExprWithAlias { expr, alias } => Some((expr, Some(alias))),
        SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => None,
    }
}

/// `GROUP BY 1` and `ORDER BY 1`: the first of what is shown.
fn shown_at<'i, T>(expr: &Expr, items: &'i [T]) -> Option<&'i T> {
    let Expr::Value(literal) = expr else { return None };
    let Literal::Number(digits, _) = &literal.value else { return None };
    items.get(digits.parse::<usize>().ok()?.checked_sub(1)?)
}

fn is_sum(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } | Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
            is_sum(inner)
        }
        Expr::BinaryOp { left, right, .. } => is_sum(left) || is_sum(right),
        Expr::Between { expr, low, high, .. } => is_sum(expr) || is_sum(low) || is_sum(high),
        Expr::Function(called) => figure_name(called).is_some() || arguments(called).iter().any(|it| is_sum(it)),
        _ => false,
    }
}

/// The server's name of a function that adds up.
fn figure_name(called: &Called) -> Option<&'static str> {
    match called.name.to_string().to_ascii_lowercase().as_str() {
        "count" => Some("count"),
        "sum" => Some("sum"),
        "avg" => Some("avg"),
        "min" => Some("min"),
        "max" => Some("max"),
        _ => None,
    }
}

/// The arguments that are expressions.
fn arguments(called: &Called) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &called.args else { return Vec::new() };
    let expr = |it| match it {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    list.args.iter().filter_map(expr).collect()
}

struct Compiler<'a> {
    scope: Scope<'a>,
    /// What the records are grouped by, if they are.
    by: Option<Vec<String>>,
    /// Sums, by the name under which the server gives them.
    figures: Map<String, Value>,
    /// Fields of the records, where they are not grouped.
    fields: Vec<String>,
    /// What SELECT shows, once that is known.
    names: Vec<(String, Expression)>,
}

impl Compiler<'_> {
    /// What SELECT shows, or none for all fields.
    fn columns(&mut self, select: &Select) -> Result<Option<Vec<(String, Expression)>>> {
        if let [SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)] = select.projection.as_slice() {
            return match self.by {
                Some(_) => Err(refused("`*` beside GROUP BY", "name the columns")),
                None => Ok(None),
            };
        }
        let mut columns = Vec::new();
        for shown in &select.projection {
            let Some((expr, alias)) = item(shown) else {
                return Err(refused(&format!("`{shown}` among other columns"), "name the columns, or write `*` alone"));
            };
            let expression = self.expression(expr)?;
            let name = match (alias, &expression) {
                (Some(alias), _) => alias.value.clone(),
                (None, Expression::Member(name)) => name.clone(),
                (None, _) => expr.to_string(),
            };
            columns.push((name, expression));
        }
        Ok(Some(columns))
    }

    /// What a part of ORDER BY stands for.
    fn key(&mut self, expr: &Expr) -> Result<Expression> {
        match (shown_at(expr, &self.names), expr) {
            (Some((_, shown)), _) => Ok(shown.clone()),
            (None, Expr::Value(_)) => Err(Error::InvalidInput(format!("ORDER BY {expr} is no column of this SELECT"))),
            (None, _) => self.expression(expr),
        }
    }

    fn expression(&mut self, expr: &Expr) -> Result<Expression> {
        if let Some(value) = self.scope.constant(expr)? {
            return Ok(Expression::Constant(value));
        }
        if let Expr::Identifier(name) = expr
            && let Some((_, shown)) = self.names.iter().find(|(known, _)| *known == name.value)
        {
            return Ok(shown.clone());
        }
        if let Some(column) = self.scope.column(expr)? {
            return self.field(column);
        }
        let is_null = |inner| Expression::IsNull(Box::new(inner));
        let not = |inner| Expression::Not(Box::new(inner));
        match expr {
            Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } => self.expression(inner),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                let zero = Expression::Constant(json!(0));
                Ok(Expression::Arithmetic(Arithmetic::Subtract, Box::new(zero), Box::new(self.expression(expr)?)))
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(not(self.expression(expr)?)),
            Expr::IsNull(inner) => Ok(is_null(self.expression(inner)?)),
            Expr::IsNotNull(inner) => Ok(not(is_null(self.expression(inner)?))),
            Expr::Between { expr, negated, low, high } => {
                let above = self.pair(expr, &BinaryOperator::GtEq, low)?;
                let below = self.pair(expr, &BinaryOperator::LtEq, high)?;
                let both = above.zip(below).map(|(above, below)| Expression::And(Box::new(above), Box::new(below)));
                let both = both.ok_or_else(|| not_supported(expr, "BETWEEN takes values"))?;
                Ok(if *negated { not(both) } else { both })
            }
            Expr::BinaryOp { left, op, right } => {
                let both = self.pair(left, op, right)?;
                both.ok_or_else(|| not_supported(expr, "there are + - * / %, comparisons, AND, OR and NOT"))
            }
            Expr::Function(called) => self.call(expr, called),
            other => Err(not_supported(
                other,
                "SELECT, HAVING and ORDER BY take columns, COUNT, SUM, AVG, MIN, MAX, arithmetic, ROUND, ABS, COALESCE and NULLIF",
            )),
        }
    }

    fn pair(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Option<Expression>> {
        let (left, right) = (Box::new(self.expression(left)?), Box::new(self.expression(right)?));
        let arithmetic = match op {
            BinaryOperator::Plus => Some(Arithmetic::Add),
            BinaryOperator::Minus => Some(Arithmetic::Subtract),
            BinaryOperator::Multiply => Some(Arithmetic::Multiply),
            BinaryOperator::Divide => Some(Arithmetic::Divide),
            BinaryOperator::Modulo => Some(Arithmetic::Remainder),
            _ => None,
        };
        Ok(match (op, arithmetic, condition::comparison(op)) {
            (BinaryOperator::And, ..) => Some(Expression::And(left, right)),
            (BinaryOperator::Or, ..) => Some(Expression::Or(left, right)),
            (_, Some(arithmetic), _) => Some(Expression::Arithmetic(arithmetic, left, right)),
            (_, None, Some(comparison)) => Some(Expression::Compare(comparison, left, right)),
            (_, None, None) => None,
        })
    }

    fn field(&mut self, name: String) -> Result<Expression> {
        match &self.by {
            Some(by) if !by.contains(&name) => {
                return Err(Error::InvalidInput(format!(
                    "the column `{name}` is neither in GROUP BY nor added up; add it to GROUP BY, or write MIN, MAX, SUM, AVG or \
                     COUNT of it"
                )));
            }
            Some(_) => {}
            None if !self.fields.contains(&name) => self.fields.push(name.clone()),
            None => {}
        }
        Ok(Expression::Member(name))
    }

    fn call(&mut self, expr: &Expr, called: &Called) -> Result<Expression> {
        let plain = called.over.is_none()
            && called.filter.is_none()
            && called.within_group.is_empty()
            && called.null_treatment.is_none()
            && matches!(called.parameters, FunctionArguments::None);
        let FunctionArguments::List(list) = &called.args else {
            return Err(not_supported(expr, "a function's arguments stand in brackets"));
        };
        if !plain || !list.clauses.is_empty() {
            return Err(not_supported(expr, "put the condition into WHERE, and group by columns"));
        }
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        if let Some(figure) = figure_name(called) {
            return self.figure(expr, figure, distinct, list.args.as_slice());
        }
        let written = arguments(called);
        let function = Function::named(&called.name.to_string());
        match function.filter(|it| !distinct && written.len() == list.args.len() && it.takes(written.len())) {
            Some(function) => {
                let values = written.into_iter().map(|it| self.expression(it)).collect::<Result<_>>()?;
                Ok(Expression::Call(function, values))
            }
            None => Err(not_supported(
                expr,
                "there are COUNT, SUM, AVG, MIN and MAX of a column, ABS(x), ROUND(x, places), COALESCE(x, …) and NULLIF(x, y)",
            )),
        }
    }

    fn figure(&mut self, expr: &Expr, figure: &str, distinct: bool, written: &[FunctionArg]) -> Result<Expression> {
        let column = match written {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if figure == "count" && !distinct => None,
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(of))] => {
                match (self.scope.column(of)?, self.scope.constant(of)?) {
                    (Some(column), _) => Some(column),
                    // `COUNT(1)` counts records.
                    (None, Some(value)) if figure == "count" && !distinct && !value.is_null() => None,
                    (None, _) => {
                        return Err(not_supported(
                            expr,
                            "a sum is of one column; compute with sums: `SUM(a) / SUM(b)`",
                        ));
                    }
                }
            }
            _ => return Err(not_supported(expr, "a sum is of one column")),
        };
        let function = match (figure, distinct) {
            ("count", true) => "count_distinct",
            ("sum" | "avg", true) => return Err(not_supported(expr, "DISTINCT goes with COUNT")),
            (figure, _) => figure,
        };
        let of = column.as_deref().unwrap_or("*");
        let name = format!("{}({}{of})", figure.to_ascii_uppercase(), if distinct { "DISTINCT " } else { "" });
        self.figures.insert(name.clone(), json!({ function: of }));
        Ok(Expression::Member(name))
    }
}
