//! Values: ours beside what `psql` shows.

use super::*;

const TYPES: &str = "create type mood as enum ('glad', 'so so'); create domain short as text check (length(value) < 9); \
    create domain positive as int check (value > 0)";

/// Expressions of every type that is read, at their edges.
const LITERALS: &[&str] = &[
    "1::int2",
    "(-32768)::int2",
    "2147483647",
    "(-9223372036854775808)::int8",
    "4294967295::oid",
    "7::positive",
    "true",
    "false",
    "null::int",
    "0.1::float8",
    "'NaN'::float8",
    "'-Infinity'::float8",
    "1e300::float8",
    "-0.0::float8",
    "123456789012345680::float8",
    "0.1::float4",
    "1e-10::float4",
    "0::numeric",
    "1.50::numeric",
    "-0.001::numeric",
    "12345678901234567890.0987654321",
    "1e20::numeric",
    "1e-20::numeric",
    "'NaN'::numeric",
    "'Infinity'::numeric",
    "'-Infinity'::numeric",
    "10000::numeric",
    "99990000.00010000::numeric",
    "100::numeric(10,4)",
    "0.00::numeric",
    "0.5",
    "-12345.6789",
    "1e-5::numeric",
    "1e1000::numeric",
    "'a'::text",
    "''::text",
    "'é 漢 🦀'::varchar",
    "'a'::char(3)",
    "'x'::\"char\"",
    "'abc'::name",
    "'glad'::mood",
    "'ok'::short",
    "'<a/>'::xml",
    "'{\"a\": [1, null]}'::json",
    "'{\"b\":1,\"a\":2}'::jsonb",
    "'$.a[*]'::jsonpath",
    "'\\xdeadbeef'::bytea",
    "''::bytea",
    "'2026-11-29'::date",
    "'0001-01-01'::date",
    "'0044-03-15 BC'::date",
    "'infinity'::date",
    "'-infinity'::date",
    "'5874897-12-31'::date",
    "'4713-01-01 BC'::date",
    "'2000-02-29'::date",
    "'1900-02-28'::date",
    "'1999-12-31'::date",
    "'00:00'::time",
    "'23:59:59.999999'::time",
    "'24:00'::time",
    "'12:34:56.5'::time",
    "'12:00+02'::timetz",
    "'12:00:00.25-03:30'::timetz",
    "'12:00+00:00:01'::timetz",
    "'12:00+00'::timetz",
    "'2026-11-29 19:10:37.123456'::timestamp",
    "'infinity'::timestamp",
    "'0001-01-01 00:00:00 BC'::timestamp",
    "'1969-12-31 23:59:59.999999'::timestamp",
    "'294276-12-31 23:59:59'::timestamp",
    "'2026-11-29 19:10:37.1+05:30'::timestamptz",
    "'-infinity'::timestamptz",
    "'4713-01-01 00:00 BC'::timestamptz",
    "'1 year 2 mons 3 days 04:05:06.789'::interval",
    "'-1 year 2 mons -3 days'::interval",
    "'0'::interval",
    "'-1 days 02:03'::interval",
    "'-00:00:00.000001'::interval",
    "'1 mon'::interval",
    "'14 mons -1 day -1 hour'::interval",
    "'100 hours'::interval",
    "'-1 mon 1 day'::interval",
    "'1 day -00:30'::interval",
    "'-2 years'::interval",
    "'123e4567-e89b-12d3-a456-426614174000'::uuid",
    "'10.1.2.3'::inet",
    "'10.1.2.3/8'::inet",
    "'10.0.0.0/8'::cidr",
    "'1.2.3.4/32'::cidr",
    "'::1'::inet",
    "'fe80::1:2/64'::inet",
    "'::ffff:1.2.3.4'::inet",
    "'::1.2.3.4'::inet",
    "'2001:db8::/32'::cidr",
    "'::'::inet",
    "'1:0:0:2::3'::inet",
    "'08:00:2b:01:02:03'::macaddr",
    "'08:00:2b:01:02:03:04:05'::macaddr8",
    "b'10110'",
    "b'1'::bit(1)",
    "b''::varbit",
    "b'101101011'::varbit",
    "'{}'::int[]",
    "'{1,2,NULL}'::int[]",
    "array[[1,2],[3,4]]",
    "'[0:1]={5,6}'::int[]",
    "'[2:2][-1:0]={{1,2}}'::int[]",
    "array['a b', '', 'NULL', 'x,y', '{', 'q\"q', 'b\\s', null, 'é', E'tab\\t']",
    "array[true, false]",
    "array[1.5, 1e15, 1e14, 123456.7, 1e-4, 1e-5, 0, -0.0, 'NaN', 'Infinity']::float8[]",
    "array[1e5, 1e6, 0.1, 1e-5]::float4[]",
    "array['2026-11-29 10:00'::timestamp]",
    "array['\\xdead'::bytea, '']",
    "array['glad'::mood, 'so so']",
    "array['ok'::short]",
    "array[1.10, null]::numeric[]",
    "array['{\"a\":1}'::jsonb]",
    "array['1 day'::interval]",
    "array['10.0.0.1'::inet]",
    "array['x'::\"char\"]",
    "array['123e4567-e89b-12d3-a456-426614174000'::uuid]",
    "int4range(1, 5)",
    "int4range(null, 5, '()')",
    "'empty'::int4range",
    "numrange(1.5, 2.5, '[]')",
    "tsrange('2026-01-01', null)",
    "tstzrange('2026-01-01', '2026-02-01', '(]')",
    "daterange('2026-01-01', 'infinity')",
    "array[int8range(1, 2)]",
    "int4multirange(int4range(1, 2), int4range(5, null))",
    "'{}'::nummultirange",
];

#[tokio::test]
async fn values_are_as_psql_shows_them() {
    let server = Postgres::shared().await;
    let database = database(server, TYPES).await;
    let link = opened(server, &database);
    let script: String = LITERALS.iter().map(|literal| format!("select {literal};\n")).collect();
    let shown = server.sql(&database, &format!("set timezone to 'UTC'; \\pset null 'NULL!'\n{script}")).await;
    let shown: Vec<&str> = shown.lines().collect();
    assert_eq!(shown.len(), LITERALS.len(), "{shown:#?}");
    for (literal, shown) in LITERALS.iter().zip(shown) {
        let ours = match one(&link, &format!("select {literal}")).await {
            SqlValue::Null => "NULL!".to_owned(),
            SqlValue::Boolean(b) => if b { "t" } else { "f" }.to_owned(),
            SqlValue::Integer(i) => i.to_string(),
            SqlValue::Float(f) if literal.ends_with("float4") => {
                assert_eq!(f as f32, shown.parse::<f32>().unwrap(), "{literal}");
                continue;
            }
            SqlValue::Float(f) => {
                let theirs: f64 = shown.parse().unwrap();
                assert!(f.to_bits() == theirs.to_bits() || f.is_nan() && theirs.is_nan(), "{literal}: {f} {theirs}");
                continue;
            }
            SqlValue::Text(text) => text,
            SqlValue::Bytes(bytes) => bytes.iter().fold("\\x".to_owned(), |all, byte| format!("{all}{byte:02x}")),
        };
        assert_eq!(ours, shown, "{literal}");
    }
}

/// What goes in comes out, as whatever type the server infers.
#[tokio::test]
async fn parameters_become_what_the_statement_needs() {
    let server = Postgres::shared().await;
    let database = database(server, TYPES).await;
    let link = opened(server, &database);
    let check = async |sql: &str, parameter: SqlValue, expected: SqlValue| {
        let call = query(sql, &[parameter]);
        let SqlDone::Table(table) = link.run(&call, true, &sending()).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
        else {
            panic!()
        };
        assert_eq!(table.rows[0][0], expected, "{sql}");
    };
    check("select $1::int + 1", int(1), int(2)).await;
    check("select $1::text", int(1), text("1")).await;
    check("select $1", text("untyped"), text("untyped")).await;
    check("select $1::numeric * 2", text("1.25"), text("2.50")).await;
    check("select $1::numeric", SqlValue::Float(1.5e-7), text("0.00000015")).await;
    check("select $1::float8", SqlValue::Float(0.1 + 0.2), SqlValue::Float(0.1 + 0.2)).await;
    check("select $1::float8", SqlValue::Float(f64::INFINITY), SqlValue::Float(f64::INFINITY)).await;
    check("select $1::float8", SqlValue::Float(f64::MIN_POSITIVE), SqlValue::Float(f64::MIN_POSITIVE)).await;
    check("select $1::int8", int(i64::MIN), int(i64::MIN)).await;
    check("select not $1", SqlValue::Boolean(true), SqlValue::Boolean(false)).await;
    check("select $1::bytea", SqlValue::Bytes(vec![0, 1, 255].into()), SqlValue::Bytes(vec![0, 1, 255].into())).await;
    check("select $1::int", SqlValue::Null, SqlValue::Null).await;
    check("select $1::jsonb -> 'a'", text("{\"a\": [1]}"), text("[1]")).await;
    check("select $1::timestamptz", text("2026-11-29T12:00:00+02:00"), text("2026-11-29 10:00:00+00")).await;
    check("select $1::timestamptz", text("2026-11-29 12:00"), text("2026-11-29 12:00:00+00")).await;
    check("select 2 = any($1::int[])", text("{1,2}"), SqlValue::Boolean(true)).await;
    check("select $1::uuid", text("123E4567E89B12D3A456426614174000"), text("123e4567-e89b-12d3-a456-426614174000"))
        .await;
    check("select $1::mood", text("so so"), text("so so")).await;
    check("select $1::date + 1", text("2024-02-28"), text("2024-02-29")).await;
    let wrong = link.run(&query("select $1::int", &[text("one")]), true, &sending()).await;
    assert!(matches!(&wrong, Err(Failure::Refused { code, .. }) if code == "22P02"), "{wrong:?}");
}
