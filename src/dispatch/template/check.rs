//! What of the language a template may use.
//!
//! An instruction of minijinja may do any amount of work: `"x" * 100000000` is one, and is even done while a text is compiled. So that a
//! number of instructions is a bound, everything is left out by which values grow: with what is left no value is larger than the variables,
//! the text itself or what a filter may write.

use minijinja::ErrorKind;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use minijinja::machinery::{Span, Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::filters::{FILTERS, TESTS};
use crate::domain::template::MAX_TEXT;

/// Words and signs between one pair of braces, at most: expressions are compiled by functions that call themselves.
const MAX_TOKENS: usize = 200;

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// In which line, from 1 on.
    pub(super) line: Option<usize>,
    /// What, fit for callers.
    pub(super) what: String,
}

/// Checks a text without running any of it.
pub(super) fn check(text: &str) -> Result<(), Refused> {
    if text.len() > MAX_TEXT {
        return Err(Refused { line: None, what: format!("must have at most {MAX_TEXT} bytes") });
    }
    check_lengths(text)?;
    match parse(text, "text", SyntaxConfig::default()).map_err(|error| of_error(&error))? {
        Stmt::Template(template) => statements(&template.children),
        _ => Err(Refused { line: None, what: "is no template".to_owned() }),
    }
}

fn of_error(error: &minijinja::Error) -> Refused {
    let what = match (error.kind(), error.detail()) {
        (ErrorKind::SyntaxError, Some(detail)) => detail.to_owned(),
        (kind, _) => kind.to_string(),
    };
    Refused { line: error.line(), what }
}

fn refused<T>(span: Span, what: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { line: Some(usize::from(span.start_line)), what: what.into() })
}

fn check_lengths(text: &str) -> Result<(), Refused> {
    let mut length = 0;
    for token in tokenize(text, false, SyntaxConfig::default()) {
        let (token, span) = token.map_err(|error| of_error(&error))?;
        length = if matches!(token, Token::VariableStart | Token::BlockStart | Token::TemplateData(_)) { 0 } else { length + 1 };
        if length > MAX_TOKENS {
            return refused(span, format!("one expression must have at most {MAX_TOKENS} words and signs"));
        }
    }
    Ok(())
}

fn statements(list: &[Stmt<'_>]) -> Result<(), Refused> {
    list.iter().try_for_each(statement)
}

fn statement(one: &Stmt<'_>) -> Result<(), Refused> {
    match one {
        Stmt::Template(inner) => statements(&inner.children),
        Stmt::EmitRaw(_) => Ok(()),
        Stmt::EmitExpr(emitted) => expression(&emitted.expr),
        Stmt::IfCond(choice) => {
            expression(&choice.expr)?;
            statements(&choice.true_body)?;
            statements(&choice.false_body)
        }
        Stmt::ForLoop(repeated) => {
            if repeated.recursive {
                return refused(repeated.span(), "a loop cannot be recursive");
            }
            target(&repeated.target)?;
            expression(&repeated.iter)?;
            repeated.filter_expr.iter().try_for_each(expression)?;
            statements(&repeated.body)?;
            statements(&repeated.else_body)
        }
        Stmt::Set(set) => {
            target(&set.target)?;
            expression(&set.expr)
        }
        Stmt::WithBlock(with) => {
            for (name, value) in &with.assignments {
                target(name)?;
                expression(value)?;
            }
            statements(&with.body)
        }
        Stmt::SetBlock(other) => refused(other.span(), "set needs a value: {% set name = value %}"),
        Stmt::AutoEscape(other) => refused(other.span(), "autoescape cannot be used here"),
        Stmt::FilterBlock(other) => refused(other.span(), "filter blocks cannot be used here"),
        Stmt::Do(other) => refused(other.span(), "do cannot be used here"),
    }
}

/// What a value is given to: a name, or several in parentheses.
fn target(expr: &Expr<'_>) -> Result<(), Refused> {
    match expr {
        Expr::Var(name) if ["loop", "range"].contains(&name.id) => refused(name.span(), format!("{} cannot be given a value", name.id)),
        Expr::Var(_) => Ok(()),
        Expr::Tuple(names) => names.items.iter().try_for_each(target),
        Expr::List(names) => names.items.iter().try_for_each(target),
        other => refused(other.span(), "only a name can be given a value"),
    }
}

fn expression(expr: &Expr<'_>) -> Result<(), Refused> {
    match expr {
        Expr::Var(_) | Expr::Const(_) => Ok(()),
        Expr::Slice(slice) => {
            expression(&slice.expr)?;
            [&slice.start, &slice.stop, &slice.step].into_iter().flatten().try_for_each(expression)
        }
        Expr::UnaryOp(op) => expression(&op.expr),
        Expr::BinOp(op) => {
            operator(op.op, (&op.left, &op.right), op.span())?;
            expression(&op.left)?;
            expression(&op.right)
        }
        Expr::Compare(compared) => {
            expression(&compared.expr)?;
            compared.ops.iter().try_for_each(|op| expression(&op.expr))
        }
        Expr::IfExpr(choice) => {
            expression(&choice.test_expr)?;
            expression(&choice.true_expr)?;
            choice.false_expr.iter().try_for_each(expression)
        }
        Expr::Filter(filter) => {
            if !FILTERS.contains(&filter.name) {
                return refused(filter.span(), format!("there is no filter {:?}", filter.name));
            }
            filter.expr.iter().try_for_each(expression)?;
            arguments(&filter.args)
        }
        Expr::Test(test) => {
            if !TESTS.contains(&test.name) {
                return refused(test.span(), format!("there is no test {:?}", test.name));
            }
            expression(&test.expr)?;
            arguments(&test.args)
        }
        Expr::GetAttr(attribute) => expression(&attribute.expr),
        Expr::GetItem(item) => {
            expression(&item.expr)?;
            expression(&item.subscript_expr)
        }
        Expr::Call(call) => match &call.expr {
            Expr::Var(function) if function.id == "range" => arguments(&call.args),
            _ => refused(call.span(), "only range can be called"),
        },
        Expr::List(list) => constants(&list.items, list.span()),
        Expr::Tuple(tuple) => constants(&tuple.items, tuple.span()),
        Expr::Map(map) => {
            constants(&map.keys, map.span())?;
            constants(&map.values, map.span())
        }
    }
}

/// One that holds itself twice, and so on, would be written for ever.
fn constants(items: &[Expr<'_>], span: Span) -> Result<(), Refused> {
    if items.iter().all(|item| matches!(item, Expr::Const(_))) { Ok(()) } else { refused(span, "a list can only hold texts and numbers") }
}

fn arguments(args: &[CallArg<'_>]) -> Result<(), Refused> {
    args.iter().try_for_each(|argument| match argument {
        CallArg::Pos(value) | CallArg::Kwarg(_, value) => expression(value),
        CallArg::PosSplat(value) | CallArg::KwargSplat(value) => refused(value.span(), "arguments cannot be unpacked"),
    })
}

/// Of texts and lists `+` makes longer ones and `*` many, so they are for what is plainly a number: of `+` it is enough for one side, since
/// nothing else can be added to a number.
fn operator(op: BinOpKind, (left, right): (&Expr<'_>, &Expr<'_>), span: Span) -> Result<(), Refused> {
    match op {
        BinOpKind::Concat => refused(span, "~ cannot be used here: write {{ a }}{{ b }}"),
        BinOpKind::Add | BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv if !is_number(left) && !is_number(right) => {
            refused(span, "one side must be a number, as in a|int + b")
        }
        BinOpKind::Mul | BinOpKind::Pow | BinOpKind::Rem if !(is_number(left) && is_number(right)) => {
            refused(span, "both sides must be numbers, as in a|int * b|int")
        }
        _ => Ok(()),
    }
}

/// Whether it can be nothing else than a number.
fn is_number(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(constant) => constant.value.is_number(),
        Expr::UnaryOp(op) => is_number(&op.expr),
        Expr::Filter(filter) => match filter.name {
            "length" | "count" | "round" | "abs" => true,
            // what stands for what is no number may be anything
            "int" | "float" => filter.args.is_empty(),
            _ => false,
        },
        Expr::GetAttr(attribute) => {
            let of_loop = matches!(&attribute.expr, Expr::Var(name) if name.id == "loop");
            of_loop && ["index", "index0", "revindex", "revindex0", "length"].contains(&attribute.name)
        }
        Expr::BinOp(op) => {
            let arithmetic =
                [BinOpKind::Add, BinOpKind::Sub, BinOpKind::Mul, BinOpKind::Div, BinOpKind::FloorDiv, BinOpKind::Rem, BinOpKind::Pow];
            arithmetic.iter().any(|kind| std::mem::discriminant(kind) == std::mem::discriminant(&op.op))
                && is_number(&op.left)
                && is_number(&op.right)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_taken() {
        for text in [
            "",
            "Hello {{ name }}!",
            "{{ name|title|default('you') }}",
            "{% if count > 1 %}{{ count }} friends{% elif count == 1 %}one{% else %}nobody{% endif %}",
            "{% for item in items if item.price > 5 %}{{ loop.index + 1 }}. {{ item.name }}{% if not loop.last %}, {% endif %}{% else %}-{% endfor %}",
            "{% set first = names|first %}{{ first[:10] }}",
            "{% with a = b.c, d = 5 %}{{ a }}{{ d|int * 2 }}{% endwith %}",
            "{{ price|float * amount|int / 100 }} {{ 'a' if x in ['a', 'b'] else 'c' }}",
            "{{ (total|int + 1) % 2 }} {{ left - 1 }} {{ user.tags['plan'] }} {% for n in range(3) %}{{ n }}{% endfor %}",
            "{% raw %}{{ not this }}{% endraw %}{# nor this #}",
            "{% for key, value in data|items %}{{ key }}{{ value }}{% endfor %}",
            "{{ x is defined and x is not none }}",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_could_grow_is_refused_with_its_line() {
        for text in [
            "{{ 'x' * 100000000 }}",
            "{{ x * 5 }}",
            "{{ x|int('aaaa') * 5 }}",
            "{{ [1] * 5 }}",
            "{{ a ~ b }}",
            "{{ a + b }}",
            "{{ '%99999999d' % 5 }}",
            "{{ 9 ** x }}",
            "{% set x %}{{ y }}{{ y }}{% endset %}",
            "{% set x = [y, y] %}",
            "{% set x = {'a': y} %}",
            "{% set x = (y, y) %}",
            "{% set x.y = 1 %}",
            "{% set loop = 'x' %}",
            "{% for x in y recursive %}{{ loop(x) }}{% endfor %}",
            "{% for x in y %}{{ loop.cycle('a') }}{% endfor %}",
            "{% filter upper %}x{% endfilter %}",
            "{% autoescape true %}x{% endautoescape %}",
            "{% macro f() %}{% endmacro %}",
            "{% include 'x' %}",
            "{% block x %}{% endblock %}",
            "{{ namespace() }}",
            "{{ debug() }}",
            "{{ x.upper() }}",
            "{{ x|indent(100000000) }}",
            "{{ x|format(5) }}",
            "{{ x|batch(1) }}",
            "{{ x|map('upper') }}",
            "{{ x|join(*y) }}",
            "{{ x is nosuch }}",
            "{{ ",
            "{% if x %}",
            "{% endfor %}",
        ] {
            let text = format!("first\nsecond {text}");
            let found = check(&text).unwrap_err();
            assert_eq!(found.line, Some(2), "{text}: {found:?}");
            assert!(!found.what.is_empty());
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(check(&"x".repeat(MAX_TEXT)).is_ok());
        assert!(check(&"x".repeat(MAX_TEXT + 1)).is_err());
        for chain in [".a".repeat(3000), "|upper".repeat(1200), "+1".repeat(3000), "[0]".repeat(2000), " if a else b".repeat(500)] {
            assert!(check(&format!("{{{{ a{chain} }}}}")).is_err());
        }
        for deep in ["(".repeat(4000), "[".repeat(4000), "-".repeat(4000), "not ".repeat(2000)] {
            assert!(check(&format!("{{{{ {deep}a }}}}")).is_err());
        }
        let nested = format!("{}{}", "{% if a %}".repeat(400), "{% endif %}".repeat(380));
        assert!(check(&nested).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([a-z .|+*(){}%\\[\\]'\"0-9\n]|\\{\\{|\\}\\}|\\{%|%\\}|for|in|if|set|endfor|endif){0,60}") {
            drop(check(&text));
        }
    }
}
