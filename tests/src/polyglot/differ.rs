//! Differences: between what was expected and what came, so that a person sees them.

use serde_json::Value;

/// Whether `got` is what is expected; texts may be patterns, see [`super::case::Expect`].
#[must_use]
pub fn fits(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::String(pattern), _) if pattern == "<any>" => !got.is_null(),
        (Value::String(pattern), _) if pattern == "<null>" => got.is_null(),
        (Value::String(pattern), Value::String(text)) => text_fits(pattern, text),
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| fits(expected, got))
        }
        (Value::Object(expected), Value::Object(got)) => {
            expected.len() == got.len()
                && expected.iter().all(|(key, expected)| got.get(key).is_some_and(|got| fits(expected, got)))
        }
        // Floats by their value; whole numbers by every digit.
        (Value::Number(expected), Value::Number(got)) if expected.is_f64() || got.is_f64() => {
            expected.as_f64() == got.as_f64()
        }
        _ => expected == got,
    }
}

/// Whether a text is what a pattern says.
#[must_use]
pub fn text_fits(pattern: &str, text: &str) -> bool {
    let part = |begin: &str| pattern.strip_prefix(begin).and_then(|rest| rest.strip_suffix('>'));
    if let Some(start) = part("<starts: ") {
        text.starts_with(start)
    } else if let Some(part) = part("<has: ") {
        text.contains(part)
    } else {
        pattern == "<any>" || pattern == text
    }
}

/// Both, line by line: `-` is missing, `+` is there instead.
#[must_use]
pub fn shown(expected: &Value, got: &Value) -> String {
    let lines = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    by_line(&lines(expected), &lines(got))
}

fn by_line(expected: &str, got: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    // How long the longest common part is from each pair of places on.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] =
                if same(old[i], new[j]) { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        let (sign, line) = if i < old.len() && j < new.len() && same(old[i], new[j]) {
            (i, j) = (i + 1, j + 1);
            (' ', new[j - 1])
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', old[i - 1])
        } else {
            j += 1;
            ('+', new[j - 1])
        };
        text.push_str(&format!("    {sign} {line}\n"));
    }
    text
}

/// Lines that a pattern makes equal are not told as different.
fn same(expected: &str, got: &str) -> bool {
    if expected == got {
        return true;
    }
    let bare = |line: &str| line.trim().trim_end_matches(',').to_owned();
    let value = |line: &str| serde_json::from_str::<Value>(&bare(line)).ok();
    if let (Some(expected), Some(got)) = (value(expected), value(got)) {
        return fits(&expected, &got);
    }
    // `"key": value`
    match (bare(expected).split_once("\": "), bare(got).split_once("\": ")) {
        (Some((key, expected)), Some((other, got))) if key == other => {
            match (serde_json::from_str(expected), serde_json::from_str(got)) {
                (Ok(expected), Ok(got)) => fits(&expected, &got),
                _ => false,
            }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(expected: &Value, got: &Value, fit: bool) {
        assert_eq!(fits(expected, got), fit, "{expected} {got}");
    }

    #[test]
    fn patterns_stand_for_what_they_say() {
        check(&json!(["<any>", "<starts: a>", "<has: b>"]), &json!([1, "ab", "abc"]), true);
        check(&json!("<any>"), &Value::Null, false);
        check(&json!("<starts: a>"), &json!("ba"), false);
        check(&json!({ "a": 1, "b": "<null>" }), &json!({ "a": 1.0, "b": null }), true);
        check(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64), false);
        check(&json!({ "a": 1 }), &json!({ "a": 1, "b": 2 }), false);
        check(&json!([1]), &json!([1, 2]), false);
    }

    #[test]
    fn a_difference_shows_both_sides() {
        let text = shown(&json!({ "a": "<any>", "b": 2 }), &json!({ "a": 7, "b": 3 }));
        assert_eq!(text, "      {\n        \"a\": 7,\n    -   \"b\": 2\n    +   \"b\": 3\n      }\n");
    }
}
