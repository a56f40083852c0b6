//! Expressions of SELECT, HAVING and ORDER BY as what is computed here, and the fields and sums that the server has to give for it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has a hundred forms, and what is not named is refused"
)]

use parlour_plugin_sdk::serde_json::{Map, json};
use parlour_plugin_sdk::{Error, Result, Value};
use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function as Called, FunctionArg, FunctionArgExpr, FunctionArguments,
    Select, SelectItem, UnaryOperator,
};

use super::condition;
use super::expression::{Arithmetic, Expression, Function};
use super::plan::{item, shown_at};
use super::scope::{Scope, not_supported, refused};

pub(super) struct Compiler<'a> {
    pub(super) scope: Scope<'a>,
    /// What the records are grouped by, if they are.
    pub(super) by: Option<Vec<String>>,
    /// Sums, by the name under which the server gives them.
    pub(super) figures: Map<String, Value>,
    /// Fields of the records, where they are not grouped.
    pub(super) fields: Vec<String>,
    /// What SELECT shows, once that is known.
    pub(super) names: Vec<(String, Expression)>,
}

impl Compiler<'_> {
    /// What SELECT shows, or none for all fields.
    pub(super) fn columns(&mut self, select: &Select) -> Result<Option<Vec<(String, Expression)>>> {
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
    pub(super) fn key(&mut self, expr: &Expr) -> Result<Expression> {
        match (shown_at(expr, &self.names), expr) {
            (Some((_, shown)), _) => Ok(shown.clone()),
            (None, Expr::Value(_)) => Err(Error::InvalidInput(format!("ORDER BY {expr} is no column of this SELECT"))),
            (None, _) => self.expression(expr),
        }
    }

    pub(super) fn expression(&mut self, expr: &Expr) -> Result<Expression> {
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

/// Whether it has a function that adds up in it.
pub(super) fn is_sum(expr: &Expr) -> bool {
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
