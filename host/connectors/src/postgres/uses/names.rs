//! Names: as PostgreSQL understands them, and which of them a WITH has given to a query of its own.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query};

use crate::postgres::settings::LONGEST_NAME;

/// Words that stand for no table unless they are quoted. Met as a table's name, the grammar took for a name what the
/// server takes for syntax. Source: PostgreSQL's documentation, on keywords: those that are reserved, and those that only
/// functions and types may be called.
const RESERVED: &str = "all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation \
    column concurrently constraint create cross current_catalog current_date current_role current_schema \
    current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for \
    foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral \
    leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps \
    placing primary references returning right select session_user similar some symmetric system_user table \
    tablesample then to trailing true union unique user using variadic verbose when where window with";

/// Functions that are called by a reserved word.
const CALLED: &str = "current_catalog current_date current_role current_schema current_time current_timestamp current_user left \
    localtime localtimestamp right session_user system_user user any all some array overlaps";

/// One part of a name, unquoted letters small.
fn part(ident: &Ident) -> Result<String, String> {
    let name = match ident.quote_style {
        None => ident.value.to_ascii_lowercase(),
        Some('"') => ident.value.clone(),
        Some(other) => return Err(format!("names are not quoted by {other}; write \"{}\"", ident.value)),
    };
    if name.len() > LONGEST_NAME {
        return Err(format!("`{name}` has more than {LONGEST_NAME} bytes: PostgreSQL would cut it"));
    }
    if name.is_empty() || name.contains('.') {
        return Err(format!("\"{name}\" cannot be used: a name with a dot cannot be told from a schema and a name"));
    }
    let is_in = |words: &str| words.split_whitespace().any(|word| word == name);
    if ident.quote_style.is_none() && is_in(RESERVED) && !is_in(CALLED) {
        return Err(format!("`{name}` cannot be a name unless it is quoted"));
    }
    Ok(name)
}

/// A name with its parts joined by dots.
///
/// # Errors
///
/// It cannot be told what the server would make of it.
pub(super) fn named(name: &ObjectName) -> Result<String, String> {
    let parts = name.0.iter().map(|piece| match piece {
        ObjectNamePart::Identifier(ident) => part(ident),
        ObjectNamePart::Function(_) => Err("a name cannot be made by a function".to_owned()),
    });
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join("."))
}

/// The queries that are being read, from the outermost to the innermost.
#[derive(Default)]
pub(super) struct Scopes(Vec<Scope>);

struct Scope {
    /// Names that its WITH gives, and the queries that they stand for, by address within the tree.
    given: Vec<(String, *const Query)>,
    /// So many of them, from the first, can be used where the reader is.
    usable: usize,
    recursive: bool,
}

impl Scope {
    /// A name of a WITH can be used behind its own query; with RECURSIVE everywhere.
    fn behind(&mut self, count: usize) {
        self.usable = if self.recursive { self.given.len() } else { count };
    }
}

impl Scopes {
    pub(super) fn enter(&mut self, query: &Query) {
        if let Some((around, i)) = self.as_given(query) {
            around.behind(i);
        }
        let (mut given, mut recursive) = (Vec::new(), false);
        if let Some(with) = &query.with {
            recursive = with.recursive;
            for table in &with.cte_tables {
                // A name that cannot be told is usable nowhere: what is called so counts as a table.
                let name = part(&table.alias.name).unwrap_or_default();
                given.push((name, std::ptr::from_ref(&*table.query)));
            }
        }
        let mut scope = Scope { given, usable: 0, recursive };
        scope.behind(0);
        self.0.push(scope);
    }

    pub(super) fn leave(&mut self, query: &Query) {
        self.0.pop();
        if let Some((around, i)) = self.as_given(query) {
            around.behind(i + 1);
        }
    }

    /// The scope whose WITH gives this query a name, and which.
    fn as_given(&mut self, query: &Query) -> Option<(&mut Scope, usize)> {
        let around = self.0.last_mut()?;
        let i = around.given.iter().position(|(_, given)| std::ptr::eq(*given, query))?;
        Some((around, i))
    }

    /// Whether a name stands for a query of a WITH.
    pub(super) fn has(&self, name: &ObjectName) -> bool {
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return false };
        let Ok(name) = part(ident) else { return false };
        self.0.iter().any(|scope| scope.given[..scope.usable].iter().any(|(given, _)| *given == name))
    }
}
