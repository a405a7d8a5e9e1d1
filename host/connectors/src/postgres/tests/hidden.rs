//! Whether the server, which reads the same text, meets a table that our reading of it did not.

use std::collections::BTreeSet;

use super::*;
use jackfield_core::ports::sql::Verb;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const TABLES: &str = "create table a (x int, y text); create table b (x int, y text); create table \"C\" (x int, y text); \
    create schema s; create table s.a (x int, y text); create table d (x int primary key, y text)";

/// The tables in a plan.
fn met(plan: &Value, into: &mut BTreeSet<String>) {
    match plan {
        Value::Object(map) => {
            if let (Some(Value::String(name)), Some(Value::String(schema))) =
                (map.get("Relation Name"), map.get("Schema"))
            {
                into.insert(format!("{schema}.{name}"));
            }
            map.values().for_each(|value| met(value, into));
        }
        Value::Array(list) => list.iter().for_each(|value| met(value, into)),
        _ => {}
    }
}

/// Statements that are likely to be read, with something in them that may hide something.
fn statements() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["a", "b", "\"C\"", "s.a", "A", "d", "only a", "q", "public.b"]);
    let noise = || {
        prop::sample::select(vec![
            " ",
            " ",
            " ",
            " -- x\n ",
            " /* from b */ ",
            " /* /* */ from d */ ",
            "\n",
            " --'\n",
            " /*'*/ ",
            " -- \r ",
            "--\"\n",
            "\t",
        ])
    };
    let value = || {
        prop::sample::select(vec![
            "1",
            "'x'",
            "E'\\''",
            "''''",
            "$$b$$",
            "$q$from d$q$",
            "x",
            "y",
            "(select x from b)",
            "'a' -- '\n 'b'",
            "'--'",
            "'/*'",
            "U&'\\0061'",
            "e'\\\\'",
            "n'x'",
            "x'1f'",
            "1::text",
            "'\"'",
            "\"y\"",
            "-1",
            "+1",
            "1 @ 2",
            "1 @-- '\n 1",
            "1 ~/* ' */ 1 --'\n",
            "@ 1",
            "1 +-- '\n 1",
            "1 */* ' */ 1",
            "(select 1 from d)",
            "exists (select from s.a)",
            "array(select x from d)",
            "case when true then 1 else (select x from b) end",
            "lower(y)",
        ])
    };
    let with = prop::sample::select(vec![
        "",
        "",
        "with q as (select * from b) ",
        "with recursive q as (select 1 as x, 'y' as y union select x, y from q) ",
        "with a as (select * from b) ",
        "with q as (select * from a), a as (select * from d) ",
        "with b as (select * from b) ",
        "with q as (delete from d returning *) ",
    ]);
    let read = (with.clone(), noise(), value(), noise(), name(), noise(), prop::option::of(name()), value(), noise())
        .prop_map(|(with, n1, v1, n2, t, n3, join, v2, n4)| {
            let join = join.map(|t| format!(" cross join {t}")).unwrap_or_default();
            format!("{with}select{n1}{v1}{n2}from {t}{n3}{join} where {v2}{n4}is not null")
        });
    let write =
        (with, noise(), name(), value(), name(), noise(), 0..4).prop_map(|(with, n1, t, v, u, n2, kind)| match kind {
            0 => format!("{with}update{n1}{t} set y = {v} from {u}{n2}"),
            1 => format!("{with}delete from{n1}{t} using {u}{n2} where {v} is null"),
            2 => format!("{with}insert into{n1}{t} (x) select x from {u}{n2}"),
            _ => format!("{with}select{n1}* from {t} union all select x, y from {u}{n2} for update"),
        });
    prop_oneof![read, write]
}

#[tokio::test]
async fn the_server_meets_no_table_that_was_not_counted() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    server.sql(&database, TABLES).await;
    let mut runner = TestRunner::deterministic();
    let strategy = statements();
    let mut accepted = Vec::new();
    while accepted.len() < 1500 {
        let text = strategy.new_tree(&mut runner).unwrap().current();
        if let Ok(uses) = super::super::uses::uses(&text) {
            accepted.push((text, uses));
        }
    }
    // Each in a block of its own that says the plan, or that the server refuses.
    let mut script = String::from(
        "set search_path = public, pg_temp; create function plan(text) returns text language plpgsql as $f$ declare p json; begin \
         execute 'explain (format json, verbose) ' || $1 into p; return replace(p::text, chr(10), ' '); \
         exception when others then return 'null'; end $f$;\n",
    );
    for (text, _) in &accepted {
        let quoted = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r");
        script.push_str(&format!("select plan(E'{quoted}');\n"));
    }
    let plans = server.sql(&database, &script).await;
    let plans: Vec<&str> = plans.lines().collect();
    assert_eq!(plans.len(), accepted.len());
    let mut planned = 0;
    for ((text, uses), plan) in accepted.iter().zip(plans) {
        let plan: Value = serde_json::from_str(plan).unwrap();
        let (mut theirs, mut writes) = (BTreeSet::new(), BTreeSet::new());
        met(&plan, &mut theirs);
        planned += usize::from(!plan.is_null());
        if let Some(Value::String(operation)) = plan.pointer("/0/Plan/Operation") {
            writes.insert(operation.to_lowercase());
        }
        let whole = |table: &String| if table.contains('.') { table.clone() } else { format!("public.{table}") };
        let ours: BTreeSet<String> = uses.tables.iter().map(|(_, table)| whole(table)).collect();
        assert!(theirs.is_subset(&ours), "{text}\nserver: {theirs:?}\nours: {ours:?}");
        for verb in Verb::ALL.iter().filter(|verb| writes.contains(verb.label())) {
            assert!(uses.tables.iter().any(|(counted, _)| counted == verb), "{text}: {writes:?} {:?}", uses.tables);
        }
    }
    assert!(planned > 400, "the server takes {planned} of {}", accepted.len());
}

/// What changes something, or is not for everybody, is known by name: a grant of all of a schema's own functions is none of it.
#[tokio::test]
async fn no_built_in_function_with_an_effect_passes_for_somebodys_own() {
    use crate::postgres::uses::functions::{is_harmless, qualified};
    let server = Postgres::shared().await;
    let sql = "select distinct proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace \
        and (provolatile = 'v' or not has_function_privilege('app', oid, 'execute')) \
        and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype) \
        and not ('internal'::regtype = any(proargtypes::oid[]) or 'cstring'::regtype = any(proargtypes::oid[]))";
    let names = server.sql("postgres", sql).await;
    assert!(names.lines().count() > 100, "{names}");
    let unknown: Vec<&str> = names
        .lines()
        .filter(|name| !is_harmless(name) && !qualified((*name).to_owned()).starts_with("pg_catalog."))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");

    // And what is called harmless is, as far as the server says: it changes nothing, and is for everybody.
    let sql = "select distinct proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace and provolatile = 'v' order by 1";
    let volatile = server.sql("postgres", sql).await;
    let called: Vec<&str> = volatile.lines().filter(|name| is_harmless(name)).collect();
    assert_eq!(called, ["clock_timestamp", "gen_random_uuid", "random", "timeofday"]);
}
