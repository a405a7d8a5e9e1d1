//! What a statement uses: its verbs, tables and functions, read by a grammar of PostgreSQL's SQL.
//!
//! The text that is read here is what the server reads later. So whatever this grammar might read otherwise than the server
//! is refused, first of all where strings and comments begin and end (`scan.rs`); and only what is known is let through.
//! Not here: whether any of it is granted.

use std::collections::HashSet;
use std::ops::ControlFlow;

use jackfield_core::ports::sql::{Uses, Verb};
use sqlparser::ast::{
    Delete, Expr, FromTable, Insert, Merge, MergeAction, ObjectName, OnConflictAction, OnInsert, OutputClause, Query,
    Select, SelectFlavor, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, Update, Visit, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Tokenizer;

pub(super) mod functions;
mod names;
mod scan;

use self::names::{Scopes, named};
use super::ledger;

/// What is offered, for whoever asked for something else.
const OFFERED: &str = "one statement of SELECT, VALUES, INSERT, UPDATE, DELETE or MERGE, also behind WITH";

/// A statement with more operators than this is read in a thread with room for it: each may be a level of a tree.
const SHALLOW: usize = 200;
const ROOM: usize = 64 * 1024 * 1024;

/// See the module.
///
/// # Errors
///
/// It cannot be read, or is not offered: why, and what is.
pub(super) fn uses(text: &str) -> Result<Uses, String> {
    let scanned = scan::scan(text)?;
    if scanned.operators <= SHALLOW {
        return read(text, &scanned);
    }
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(ROOM).spawn_scoped(scope, || read(text, &scanned));
        let reader = reader.map_err(|e| format!("the statement is too large to be read now: {e}"))?;
        reader.join().map_err(|_| "the statement cannot be read".to_owned())?
    })
}

fn read(text: &str, scanned: &scan::Scanned) -> Result<Uses, String> {
    let dialect = PostgreSqlDialect {};
    let unreadable = |e: &dyn std::fmt::Display| format!("the statement cannot be read: {e}; offered is {OFFERED}");
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|e| unreadable(&e))?;
    scanned.agrees(&tokens)?;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let statements = parser.parse_statements().map_err(|e| unreadable(&e))?;
    let [statement] = statements.as_slice() else {
        return Err(format!("there are {} statements; offered is {OFFERED}", statements.len()));
    };
    let mut reading = Reading::default();
    match statement.visit(&mut reading) {
        ControlFlow::Continue(()) => Ok(reading.uses),
        ControlFlow::Break(why) => Err(*why),
    }
}

type Flow = ControlFlow<Box<String>>;

fn refused(why: impl Into<String>) -> Flow {
    ControlFlow::Break(Box::new(why.into()))
}

/// A statement being read.
#[derive(Default)]
struct Reading {
    uses: Uses,
    /// Names that are no tables to be read: they were counted for what they are. By address, within the tree.
    counted: HashSet<*const ObjectName>,
    scopes: Scopes,
    /// Queries around here that lock the rows they read.
    locking: usize,
}

impl Reading {
    fn table(&mut self, verb: Verb, name: &ObjectName) -> Flow {
        let mut name = match named(name) {
            Ok(name) => name,
            Err(why) => return refused(why),
        };
        match name.matches('.').count() {
            // It is looked for there first, and nobody else's table may have such a name.
            0 if name.starts_with("pg_") => name.insert_str(0, "pg_catalog."),
            0 | 1 => {}
            _ => return refused(format!("`{name}` has too many parts; write the schema and the table")),
        }
        if name.rsplit('.').next() == Some(ledger::TABLE) {
            return refused(format!("`{name}` is the host's own table"));
        }
        self.uses.tables.insert((verb, name));
        ControlFlow::Continue(())
    }

    fn read_table(&mut self, name: &ObjectName) -> Flow {
        self.table(Verb::Select, name)?;
        if self.locking > 0 {
            self.table(Verb::Update, name)?;
        }
        ControlFlow::Continue(())
    }

    fn function(&mut self, name: &ObjectName) -> Flow {
        match named(name) {
            Ok(name) => {
                if !functions::is_harmless(&name) {
                    self.uses.functions.insert(functions::qualified(name));
                }
                ControlFlow::Continue(())
            }
            Err(why) => refused(why),
        }
    }

    /// The table that is changed. What else stands with it is counted where it is met.
    fn target(&mut self, verbs: &[Verb], name: &ObjectName, returning: bool) -> Flow {
        self.counted.insert(std::ptr::from_ref(name));
        for verb in verbs {
            self.table(*verb, name)?;
        }
        if returning { self.table(Verb::Select, name) } else { ControlFlow::Continue(()) }
    }

    fn insert(&mut self, insert: &Insert) -> Flow {
        let TableObject::TableName(name) = &insert.table else { return refused("INSERT goes into a table") };
        let foreign = insert.or.is_some()
            || insert.ignore
            || insert.overwrite
            || insert.by_name
            || insert.replace_into
            || insert.output.is_some()
            || insert.multi_table_insert_type.is_some()
            || !insert.multi_table_into_clauses.is_empty();
        if foreign {
            return refused("this INSERT is not PostgreSQL's");
        }
        let verbs: &[Verb] = match &insert.on {
            None => &[Verb::Insert],
            Some(OnInsert::OnConflict(conflict)) => match conflict.action {
                OnConflictAction::DoNothing => &[Verb::Insert],
                OnConflictAction::DoUpdate(_) => &[Verb::Insert, Verb::Update],
            },
            Some(_) => return refused("ON DUPLICATE KEY is not PostgreSQL's; write ON CONFLICT"),
        };
        self.target(verbs, name, insert.returning.is_some())
    }

    fn update(&mut self, update: &Update) -> Flow {
        if update.output.is_some() || update.or.is_some() || !update.order_by.is_empty() || update.limit.is_some() {
            return refused("this UPDATE is not PostgreSQL's");
        }
        match alone(&update.table) {
            Some(name) => self.target(&[Verb::Update], name, update.returning.is_some()),
            None => refused("UPDATE changes one table; others stand behind FROM"),
        }
    }

    fn delete(&mut self, delete: &Delete) -> Flow {
        let foreign = !delete.tables.is_empty()
            || delete.output.is_some()
            || !delete.order_by.is_empty()
            || delete.limit.is_some();
        let (FromTable::WithFromKeyword(from), false) = (&delete.from, foreign) else {
            return refused("this DELETE is not PostgreSQL's; write DELETE FROM");
        };
        let name = match from.as_slice() {
            [one] => alone(one),
            _ => None,
        };
        match name {
            Some(name) => self.target(&[Verb::Delete], name, delete.returning.is_some()),
            None => refused("DELETE changes one table; others stand behind USING"),
        }
    }

    fn merge(&mut self, merge: &Merge) -> Flow {
        let TableFactor::Table { name, args: None, .. } = &merge.table else {
            return refused("MERGE changes one table");
        };
        let verbs = merge.clauses.iter().filter_map(|clause| match clause.action {
            MergeAction::Insert(_) => Some(Verb::Insert),
            MergeAction::Update(_) => Some(Verb::Update),
            MergeAction::Delete { .. } => Some(Verb::Delete),
            MergeAction::DoNothing { .. } => None,
        });
        // Its conditions read the table, and its verbs may be none.
        let verbs: Vec<Verb> = verbs.chain([Verb::Select]).collect();
        match merge.output {
            Some(OutputClause::Output { .. }) => refused("OUTPUT is not PostgreSQL's; write RETURNING"),
            _ => self.target(&verbs, name, false),
        }
    }
}

/// The name of a table that nothing is joined to.
fn alone(table: &TableWithJoins) -> Option<&ObjectName> {
    match &table.relation {
        TableFactor::Table { name, args: None, .. } if table.joins.is_empty() => Some(name),
        _ => None,
    }
}

impl Visitor for Reading {
    type Break = Box<String>;

    fn pre_visit_statement(&mut self, statement: &Statement) -> Flow {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Merge(merge) => self.merge(merge),
            other => {
                let text = other.to_string();
                let word = text.split_whitespace().next().unwrap_or_default();
                refused(format!("{word} is not offered; offered is {OFFERED}"))
            }
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        self.scopes.enter(query);
        if !query.locks.is_empty() {
            self.locking += 1;
        }
        let foreign = !query.pipe_operators.is_empty()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || query.for_clause.is_some();
        if foreign {
            return refused("this query is not PostgreSQL's");
        }
        let mut bodies = vec![&*query.body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                SetExpr::Table(_) => return refused("TABLE is not offered; write SELECT * FROM"),
                SetExpr::Select(_)
                | SetExpr::Query(_)
                | SetExpr::Values(_)
                | SetExpr::Insert(_)
                | SetExpr::Update(_)
                | SetExpr::Delete(_)
                | SetExpr::Merge(_) => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> Flow {
        self.scopes.leave(query);
        if !query.locks.is_empty() {
            self.locking -= 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        if select.into.is_some() {
            return refused("SELECT INTO makes a table, which is not offered");
        }
        if select.flavor != SelectFlavor::Standard || !select.lateral_views.is_empty() || select.top.is_some() {
            return refused("this SELECT is not PostgreSQL's");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> Flow {
        if self.counted.contains(&std::ptr::from_ref(name)) || self.scopes.has(name) {
            return ControlFlow::Continue(());
        }
        self.read_table(name)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } => {
                self.counted.insert(std::ptr::from_ref(name));
                self.function(name)
            }
            TableFactor::Table { with_hints, version, partitions, json_path, index_directives, .. } => {
                let foreign = !with_hints.is_empty()
                    || version.is_some()
                    || !partitions.is_empty()
                    || json_path.is_some()
                    || !index_directives.is_empty();
                if foreign {
                    refused("what stands with a table there is not PostgreSQL's")
                } else {
                    ControlFlow::Continue(())
                }
            }
            TableFactor::Function { name, .. } => self.function(name),
            TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::XmlTable { .. } => ControlFlow::Continue(()),
            _ => refused("what stands behind FROM is not PostgreSQL's"),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::Function(function) => self.function(&function.name),
            _ => ControlFlow::Continue(()),
        }
    }
}
