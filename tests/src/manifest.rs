//! A manifest to be changed: the fixture's own, with other limits, grants or triggers.

use toml::{Table, Value};

use crate::env;

/// A manifest.
#[derive(Clone, Debug)]
pub struct Manifest(Table);

impl Manifest {
    /// That of the fixture `probe`.
    #[must_use]
    pub fn probe() -> Self {
        Self::read("tests/guests/probe/jackfield.toml")
    }

    /// One of the repository.
    ///
    /// # Panics
    ///
    /// There is none, or it is no TOML.
    #[must_use]
    pub fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(env::repository(path)).expect("the manifest can be read");
        Self::of(&text)
    }

    /// One by its text.
    ///
    /// # Panics
    ///
    /// It is no TOML.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.parse().expect("the manifest is TOML"))
    }

    /// Sets a value by its dotted path; a number in it counts in a list. Tables on the way are made.
    ///
    /// # Panics
    ///
    /// The path leads through something that is no table and no list.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        let mut parts: Vec<&str> = path.split('.').collect();
        let last = parts.pop().expect("a path has a part");
        let mut at = &mut self.0;
        let mut rest = parts.into_iter().peekable();
        while let Some(part) = rest.next() {
            let mut here = at.entry(part).or_insert_with(|| Table::new().into());
            while let Some(index) = rest.peek().and_then(|next| next.parse::<usize>().ok()) {
                rest.next();
                here = here.get_mut(index).unwrap_or_else(|| panic!("{path}: there is no number {index}"));
            }
            at = here.as_table_mut().unwrap_or_else(|| panic!("{path}: `{part}` is no table"));
        }
        at.insert(last.to_owned(), value.into());
        self
    }

    /// Sets a value written as TOML.
    ///
    /// # Panics
    ///
    /// It is none.
    #[must_use]
    pub fn set_toml(self, path: &str, value: &str) -> Self {
        let table: Table = format!("x = {value}").parse().expect("the value is TOML");
        self.set(path, table["x"].clone())
    }

    /// Without what is at a dotted path, if it is there.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
        let mut at = Some(&mut self.0);
        for part in parents.split('.').filter(|part| !part.is_empty()) {
            at = at.and_then(|table| table.get_mut(part)).and_then(Value::as_table_mut);
        }
        if let Some(table) = at {
            table.remove(last);
        }
        self
    }

    /// Adds an entry, written as TOML, to a list.
    ///
    /// # Panics
    ///
    /// It is none, or what it is to be added to is no list.
    #[must_use]
    pub fn add_toml(mut self, list: &str, value: &str) -> Self {
        let table: Table = format!("x = {value}").parse().expect("the value is TOML");
        let all = self.0.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        all.as_array_mut().unwrap_or_else(|| panic!("{list} is no list")).push(table["x"].clone());
        self
    }

    /// The names that a table has.
    #[must_use]
    pub fn names(&self, table: &str) -> Vec<String> {
        let found = self.0.get(table).and_then(Value::as_table);
        found.into_iter().flat_map(Table::keys).cloned().collect()
    }

    /// Gives the integration another name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.set("integration.name", name)
    }

    /// The manifest's text.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_set_by_path() {
        let manifest = Manifest::probe()
            .named("other")
            .set("component.probe.limits.memory", "8MiB")
            .set("trigger.0.respond", false)
            .set_toml("component.probe.grants.kv", r#"[{ prefix = "a/" }]"#);
        let table: Table = manifest.text().parse().unwrap();
        assert_eq!(table["integration"]["name"].as_str(), Some("other"));
        assert_eq!(table["component"]["probe"]["limits"]["memory"].as_str(), Some("8MiB"));
        assert_eq!(table["trigger"][0]["respond"].as_bool(), Some(false));
        assert_eq!(table["component"]["probe"]["grants"]["kv"][0]["prefix"].as_str(), Some("a/"));
        let less = manifest.without("component.probe.grants.kv").without("no.such.thing");
        let table: Table = less.text().parse().unwrap();
        assert!(table["component"]["probe"]["grants"].get("kv").is_none());
    }
}
