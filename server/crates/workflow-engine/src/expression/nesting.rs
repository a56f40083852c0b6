//! How deep an expression may go. minijinja's parser bounds brackets, but chains such as `a.b.c` or `1 + 1 + 1`, and long
//! `{% elif %}`s, become trees as deep as they are long, and whoever walks those trees needs stack for every step.

use super::ExpressionError;
use super::tokens::{Kind, tokens};

/// Steps from the outside of an expression to its inside. Written by hand, twenty are many; the compiler's walk over this
/// many needs a fraction of a thread's stack.
const MAX_STEPS: usize = 200;
/// `{% elif %}`s of one template; each is nested in the one before.
const MAX_ELIFS: usize = 100;
/// `{{ … }}` and `{% … %}` of one template.
const MAX_TAGS: usize = 5_000;

/// Refuses an expression that is nested too deeply.
pub(super) fn check_expression(source: &str) -> Result<(), ExpressionError> {
    // Of every open bracket, the operators that have been chained in it since the last comma.
    let mut open: Vec<usize> = vec![0];
    let mut steps = 0;
    for token in tokens(source) {
        match token.kind {
            Kind::Open => {
                open.push(0);
                steps += 1;
            }
            Kind::Close => {
                if open.len() > 1 {
                    steps -= open.pop().unwrap_or(0) + 1;
                }
                // What follows a bracket goes on with it: a call, an index.
                add(&mut open, &mut steps);
            }
            Kind::Comma => {
                if let Some(chained) = open.last_mut() {
                    steps -= *chained;
                    *chained = 0;
                }
            }
            Kind::Word | Kind::Dot | Kind::Pipe | Kind::Comparison | Kind::Operator => add(&mut open, &mut steps),
            Kind::Name | Kind::Literal | Kind::Colon => {}
        }
        if steps > MAX_STEPS {
            return Err(too_much(
                format!("this expression is nested or chained more than {MAX_STEPS} steps deep"),
                "compute parts of it in nodes of their own, or with `{% set … %}`",
            ));
        }
    }
    Ok(())
}

fn add(open: &mut [usize], steps: &mut usize) {
    if let Some(chained) = open.last_mut() {
        *chained += 1;
        *steps += 1;
    }
}

/// Refuses a template with too many tags, or with one that is nested too deeply.
pub(crate) fn check_template(source: &str) -> Result<(), ExpressionError> {
    let too_many = |count: usize| {
        let message = format!("this template has {count} tags; at most {MAX_TAGS} are possible");
        Err(too_much(message, "write repeated parts with `{% for … %}`"))
    };
    // Some of these may stand in a text and be no tags, but no template has so many that are none.
    let openings = source.matches("{%").count() + source.matches("{{").count();
    if openings > 4 * MAX_TAGS {
        return too_many(openings);
    }
    let tags = crate::segments::tags(source);
    if tags.len() > MAX_TAGS {
        return too_many(tags.len());
    }
    let elifs = tags.iter().filter(|it| it.trim_start().starts_with("elif")).count();
    if elifs > MAX_ELIFS {
        let message = format!("this template has {elifs} times `elif`; at most {MAX_ELIFS} are possible");
        return Err(too_much(message, "look the value up in a map, or use a decision table (`use: rules`)"));
    }
    tags.into_iter().try_for_each(check_expression)
}

fn too_much(message: String, hint: &str) -> ExpressionError {
    ExpressionError { code: "expression_limit", message, hint: Some(hint.to_owned()), near: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_refused_and_length_is_not() {
        let many = |text: &str| text.repeat(10_000);
        assert!(check_expression(&format!("[{}]", many("1, "))).is_ok());
        assert!(check_expression(&format!("f({})", many("a.b + c[0], "))).is_ok());
        for deep in [many("("), many("a."), many("1 + "), many("a|f"), many("not "), many("f()"), many("[0]")] {
            assert!(check_expression(&deep).is_err(), "{}", deep.chars().take(20).collect::<String>());
        }
        assert!(check_template(&many("{{ a }}")).is_err());
        assert!(check_template(&format!("{{% if a %}}{}{{% endif %}}", "{% elif b %}".repeat(101))).is_err());
        assert!(check_template(&format!("{}{{{{ a }}}}", many("text "))).is_ok());
    }
}
