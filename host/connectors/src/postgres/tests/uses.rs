//! What statements use: a table of statements, and statements nobody would write.

use jackfield_core::ports::sql::Verb;
use proptest::prelude::*;

use crate::postgres::uses::uses;

/// As `select a, insert b; f`: verbs and tables, then functions.
fn told(text: &str) -> String {
    let uses = uses(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let tables: Vec<String> = uses.tables.iter().map(|(verb, table)| format!("{} {table}", verb.label())).collect();
    let functions: Vec<String> = uses.functions.into_iter().collect();
    let tail = if functions.is_empty() { String::new() } else { format!("; {}", functions.join(", ")) };
    format!("{}{tail}", tables.join(", "))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(told(text), expected, "{text}");
}

#[track_caller]
fn refused(text: &str, because: &str) {
    match uses(text) {
        Ok(uses) => panic!("{text}: {uses:?}"),
        Err(why) => assert!(why.contains(because), "{text}: {why}"),
    }
}

#[test]
fn reads() {
    check("select 1", "");
    check("SELECT * FROM Orders", "select orders");
    check("select * from \"Orders\"", "select Orders");
    check("select * from public.orders o join shop.items i on i.o = o.id", "select public.orders, select shop.items");
    check(
        "select (select max(a) from t), exists (select 1 from u) from v where x in (select y from w)",
        "select t, select u, select v, select w",
    );
    check("select 1 from a, lateral (select * from b where b.x = a.x) q", "select a, select b");
    check("values (1), ((select x from t))", "select t");
    check("select 1 union all (select a from t except select b from u) order by 1 limit 3", "select t, select u");
    check("select * from only parent", "select parent");
    check("select * from t tablesample bernoulli (10)", "select t");
    check("select * from pg_class", "select pg_catalog.pg_class");
    check("select * from information_schema.tables", "select information_schema.tables");
    check(
        "select count(*) filter (where x > (select y from u)) over (partition by z order by (select 1 from v)) from t",
        "select t, select u, select v",
    );
    check(
        "select case when a then (select 1 from t) end, array(select b from u), (select row(c) from v)",
        "select t, select u, select v",
    );
    check(
        "select * from t order by (select 1 from u) limit (select 2 from v) offset (select 3 from w)",
        "select t, select u, select v, select w",
    );
    check("select a from t group by (select 1 from u) having (select true from v)", "select t, select u, select v");
    check("select distinct on ((select 1 from u)) * from t", "select t, select u");
    check(
        "select $1::text, $2 -> 'a' ->> 0, '{1,2}'::int[] @> array[1], x ~ 'y', z at time zone 'UTC' from t",
        "select t",
    );
    check("select /* from a /* nested */ from b */ 1 -- from c\n from d", "select d");
    check("select E'it\\'s', 'it''s', $$from a$$, $x$from $$ b$x$, \"from c\" from d;", "select d");
}

#[test]
fn locks_are_updates() {
    check("select * from t for update", "select t, update t");
    check("select * from t, u where t.a = u.a for share of t", "select t, select u, update t, update u");
    check("select * from (select * from t for update) q, u", "select t, select u, update t");
}

#[test]
fn names_of_a_with_hide_tables_where_they_can() {
    check("with a as (select * from t) select * from a", "select t");
    check("with a as (select * from a) select * from a", "select a");
    check("with recursive a as (select 1 union all select * from a) select * from a", "");
    check("with a as (select * from b), b as (select 1) select * from a, b", "select b");
    check("with a as (select 1), b as (select * from a) select * from b", "");
    check("with recursive a as (select * from b), b as (select 1) select * from a", "");
    check("with a as (select 1) select * from public.a", "select public.a");
    check("with a as (select 1) select (select count(*) from a), (with b as (select * from a) select 1 from b)", "");
    check("select (with a as (select 1) select * from a), b.* from a, b", "select a, select b");
    check("with \"A\" as (select 1) select * from a", "select a");
    check("with a as (select 1) select * from A", "");
    check("select * from (with x as (select * from secret) select * from x) q", "select secret");
}

#[test]
fn writes() {
    check("insert into t values (1, $1)", "insert t");
    check("insert into t (a) select b from u returning a", "select t, select u, insert t");
    check("insert into t values (1) on conflict do nothing", "insert t");
    check("insert into t as x values (1) on conflict (a) do update set b = excluded.b where x.c", "insert t, update t");
    check("insert into t default values", "insert t");
    check("with x as (select * from u) insert into t select * from x", "select u, insert t");
    check("insert into t with x as (select * from u) select * from x", "select u, insert t");
    check("update t set a = 1 where b = 2", "update t");
    check(
        "update public.t as x set (a, b) = (select c, d from u) from v where v.i = x.i returning x.*",
        "select public.t, select u, select v, update public.t",
    );
    check("update t set a = 1 from t as other where other.i = t.i", "select t, update t");
    check("delete from t where a in (select b from u)", "select u, delete t");
    check("delete from t using v where v.i = t.i returning *", "select t, select v, delete t");
    check(
        "merge into t using u on t.i = u.i when matched and u.gone then delete when matched then update set a = u.a \
           when not matched then insert (i, a) values (u.i, u.a)",
        "select t, select u, insert t, update t, delete t",
    );
    check(
        "with gone as (delete from t returning *), kept as (insert into u select * from gone returning *) \
           update v set n = (select count(*) from kept)",
        "select t, select u, insert u, update v, delete t",
    );
    check("with t as (select 1) update t set a = 1", "update t");
}

#[test]
fn functions() {
    check(
        "select lower(a), count(*), now(), pg_catalog.upper(b), generate_series(1, 2), json_agg(c) from t",
        "select t",
    );
    check("select * from generate_series(1, 10) g, unnest($1::int[]) u, json_to_recordset($2) as x(a int)", "");
    check("select pg_read_file('/etc/passwd')", "; pg_catalog.pg_read_file");
    check("select * from pg_ls_dir('.') d", "; pg_catalog.pg_ls_dir");
    check("select * from t, lateral refund(t.id)", "select t; refund");
    check(
        "select PG_SLEEP(1), nextval('s'), set_config('a', 'b', false), public.lower('x'), \"Lower\"('y')",
        "; Lower, pg_catalog.nextval, pg_catalog.pg_sleep, pg_catalog.set_config, public.lower",
    );
    check("select query_to_xml('select * from secret', true, true, '')", "; pg_catalog.query_to_xml");
    check("select dblink('a', 'b'), lo_import('/etc/passwd')", "; dblink, pg_catalog.lo_import");
    check("update t set a = f(b) where g(c) returning h(d)", "select t, update t; f, g, h");
    check("select sum(x) over w, rank() over (order by f(y)) from t window w as (partition by g(z))", "select t; f, g");
    check("select a from t order by f(a) limit g(1)", "select t; f, g");
    check("insert into t values (f(1)) on conflict (a) do update set b = g(2)", "insert t, update t; f, g");
    check("select current_user, current_date, extract(year from now()), position('a' in 'b'), coalesce(1, 2)", "");
}

#[test]
fn what_is_not_offered() {
    for text in [
        "copy t to program 'rm -rf /'",
        "copy t from stdin",
        "do $$ begin end $$",
        "call p()",
        "set search_path to x",
        "show all",
        "begin",
        "commit",
        "rollback",
        "listen x",
        "notify x",
        "explain select 1",
        "create table t (a int)",
        "drop table t",
        "truncate t",
        "grant select on t to u",
        "vacuum",
        "analyze t",
        "lock table t",
        "prepare p as select 1",
        "execute p",
        "deallocate p",
        "declare c cursor for select 1",
        "fetch c",
        "discard all",
        "reset all",
        "alter role app superuser",
        "savepoint a",
        "set role postgres",
        "table t",
        "refresh materialized view v",
        "security label on table t is 'x'",
        "load 'x'",
        "reindex table t",
        "create function f() returns int as '' language c",
    ] {
        refused(text, "");
    }
    refused("truncate t", "SELECT, VALUES, INSERT, UPDATE, DELETE or MERGE");
    refused("select * into u from t", "SELECT INTO");
    refused("select 1; select 2", "2 statements");
    refused("", "0 statements");
    refused("select * from jackfield_ledger", "host's own");
    refused("delete from public.jackfield_ledger", "host's own");
    refused("select 1 from a.b.c", "too many parts");
    refused("select 1 from \"a.b\"", "dot");
    refused("select 1 from \"\"", "");
    refused(&format!("select 1 from {}", "x".repeat(64)), "63 bytes");
    refused("select * from lateral", "");
}

/// What PostgreSQL reads in one way and another reader in another.
#[test]
fn strings_and_comments_end_where_the_server_ends_them() {
    // An operator that a comment follows at once: nothing is hidden in it.
    refused("select 1 @-- '\n x from secret --'", "");
    check("select 1 @/* ' */ x from secret /* '*/", "select secret");
    check("select 1 -- a\r from t", "select t");
    refused("select 1 from U&\"\\0074\"", "U&");
    refused("select\u{a0}1 from t", "");
    refused("select 1 \u{a0}from t", "U+00A0");
    refused("select 'a", "no end");
    refused("select /* /* */ 1", "no end");
    refused("select $a$ $b$", "no end");
    refused("select E'a\\'", "no end");
    check("select 'a\\' from t where b = ''", "select t");
    check("select e'a\\' from t where b = '", "");
    check("select xe'a\\' from t where b = ''", "select t");
}

#[test]
fn hostile_depth_is_refused_in_time() {
    let started = std::time::Instant::now();
    let many = |piece: &str, times: usize| piece.repeat(times);
    for text in [
        many("(", 1_000_000),
        format!("select {}", many("(", 1_000_000)),
        format!("select {}1{}", many("(", 90), many(")", 90)),
        format!("select 1 from {}a{}", many("(", 90), many(")", 90)),
        format!("select {}1", many("1+", 500_000)),
        format!("select {}1", many("- ", 400_000)),
        format!("select {}true", many("not ", 200_000)),
        format!("select 1 from {}a", many("a join ", 100_000)),
        format!("select 1 {}", many("union select 1 ", 60_000)),
        format!("select 1{}", many("::int", 200_000)),
        format!("select a{}", many("[1]", 300_000)),
        format!("select {}", many("case when ", 100_000)),
        format!("select {}", many("array[", 150_000)),
        many("with a as (", 90_000),
        many("select (", 100_000),
        many("select * from (", 60_000),
        many("'", 999_999),
        many("$$", 499_999),
        many("/*", 499_999),
        many("$a", 499_999),
        "x".repeat(2_000_000),
    ] {
        let begun = std::time::Instant::now();
        assert!(uses(&text).is_err(), "{}", &text[..40]);
        // In this build without optimisation, and beside others.
        assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{}: {:?}", &text[..40], begun.elapsed());
    }
    // In this build without optimisation; and one may wait for it.
    assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn long_statements_of_people_are_read() {
    let placeholders: Vec<String> =
        (0..20_000).map(|i| format!("(${}, ${}, ${})", 3 * i + 1, 3 * i + 2, 3 * i + 3)).collect();
    check(&format!("insert into t values {}", placeholders.join(", ")), "insert t");
    let conditions: Vec<String> = (0..1000).map(|i| format!("(a = {i} and b = {i})")).collect();
    check(&format!("select 1 from t where {}", conditions.join(" or ")), "select t");
    check(&format!("select {}", vec!["1"; 1500].join(" + ")), "");
    let nested = |depth| format!("select {}1{}", "(select ".repeat(depth), ")".repeat(depth));
    check(&nested(10), "");
}

/// Pieces from which statements are made, and what hides and shows them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "select",
        "from",
        "where",
        "insert into",
        "values",
        "update",
        "set",
        "delete from",
        "with",
        "as",
        "a",
        "b",
        "\"c\"",
        "(",
        ")",
        ",",
        ";",
        "'",
        "''",
        "\"",
        "--",
        "/*",
        "*/",
        "\n",
        "\r",
        "$$",
        "$x$",
        "$1",
        "E'",
        "\\'",
        "\\",
        "U&'",
        "U&\"",
        "1",
        "*",
        "+",
        "@",
        "-",
        "/",
        "::",
        "[",
        "]",
        ".",
        "=",
        "and",
        "union",
        "join",
        "on",
        "true",
        "null",
        "f(",
        "x'1f'",
        "b'1'",
        "n'a'",
        "only",
        "lateral",
        "returning",
        "for update",
        "into",
        "copy",
        "é",
        "\u{a0}",
        "\u{2028}",
        "pg_read_file(",
        "case",
        "when",
        "end",
        "array[",
        "|",
        "#",
        "~",
        "`",
        "?",
        ":",
        "%",
        "{",
        "}",
        "\0",
        "\u{b}",
    ]);
    (prop::collection::vec((piece, prop::sample::select(vec!["", " ", "\n"])), 0..40))
        .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, space)| [piece, space]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
    #[test]
    fn nothing_makes_it_panic(text in pieces()) {
        let _ = uses(&text);
    }

    #[test]
    fn nothing_behind_a_statement_is_accepted(text in pieces()) {
        if let Ok(found) = uses(&format!("select 1 from a; {text}")) {
            // Only spaces, comments and further semicolons stand there.
            prop_assert_eq!(found.tables.into_iter().collect::<Vec<_>>(), vec![(Verb::Select, "a".to_owned())]);
            prop_assert!(found.functions.is_empty());
        }
    }

    #[test]
    fn any_text_at_all(text in "\\PC{0,200}") {
        let _ = uses(&text);
    }
}
