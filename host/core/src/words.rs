//! Words that somebody mistyped, and what was probably meant.

/// The one of `known` that `word` is a slip of, if there is one.
#[must_use]
pub fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|candidate| (distance(word, candidate), candidate)).min()?;
    // A third of the letters may be wrong: `retries` is not `rate`.
    (near.0 <= near.1.len().div_ceil(3).min(3)).then_some(near.1)
}

/// Letters to insert, remove, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            let mut least = (rows[i - 1][j - 1] + usize::from(!same)).min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        assert_eq!(meant("memroy", ["memory", "cpu"]), Some("memory"));
        assert_eq!(meant("timout", ["memory", "timeout"]), Some("timeout"));
        assert_eq!(meant("path", ["paths", "methods"]), Some("paths"));
        assert_eq!(meant("colour", ["paths", "methods"]), None);
    }
}
