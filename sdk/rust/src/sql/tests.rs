use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

fn table(columns: &[&str], rows: Vec<Vec<Value>>) -> Table {
    let columns = columns.iter().map(|name| host::Column { name: (*name).into(), type_name: "int8".into() }).collect();
    let rows = rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect();
    Table::new(host::Table { columns, rows })
}

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    id: i64,
    customer: Option<String>,
    paid: bool,
    #[serde(default)]
    state: State,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    New,
    Sent,
}

#[test]
fn every_parameter_becomes_the_value_it_is() {
    let made = params![
        true,
        -1_i8,
        i64::MIN,
        u32::MAX,
        u64::MAX,
        1.5_f32,
        "Zoë",
        String::from("text"),
        b"\x00\xff",
        vec![1_u8],
        None::<&str>,
        Some(7),
        serde_json::json!({ "a": [1, null] }),
    ];
    let expected = [
        Value::Boolean(true),
        Value::Integer(-1),
        Value::Integer(i64::MIN),
        Value::Integer(u32::MAX.into()),
        Value::Text("18446744073709551615".into()),
        Value::Float(1.5),
        Value::Text("Zoë".into()),
        Value::Text("text".into()),
        Value::Bytes(vec![0, 255]),
        Value::Bytes(vec![1]),
        Value::Null,
        Value::Integer(7),
        Value::Text(r#"{"a":[1,null]}"#.into()),
    ];
    assert_eq!(made, expected);
    // And the same comes back from the host.
    let there = statement("select", made).parameters;
    assert_eq!(there.into_iter().map(Value::from).collect::<Vec<_>>(), expected);
}

#[test]
fn a_struct_takes_columns_by_their_names() {
    let found = table(
        &["customer", "id", "paid", "more"],
        vec![params!["Zoë", i64::MAX, true, 1.5], params![None::<&str>, i64::MIN, 0, b"x"]],
    );
    let orders: Vec<Order> = found.rows().unwrap();
    assert_eq!(orders[0], Order { id: i64::MAX, customer: Some("Zoë".into()), paid: true, state: State::New });
    assert_eq!((orders[1].id, &orders[1].customer, orders[1].paid), (i64::MIN, &None, false));
    assert_eq!(found.first::<Order>().unwrap().unwrap(), orders[0]);
    assert_eq!(table(&["id"], vec![]).first::<Order>().unwrap(), None);
    let maps: Vec<BTreeMap<String, serde_json::Value>> =
        table(&["a", "b"], vec![params![1, None::<i64>]]).rows().unwrap();
    assert_eq!(serde_json::to_string(&maps).unwrap(), r#"[{"a":1,"b":null}]"#);
}

#[test]
fn a_tuple_takes_columns_by_their_order_and_a_plain_type_the_only_one() {
    let found = table(&["a", "b"], vec![params![1, "x"], params![2, "y"]]);
    assert_eq!(found.rows::<(i64, String)>().unwrap(), [(1, "x".into()), (2, "y".into())]);
    let count = table(&["count"], vec![params![3]]);
    assert_eq!(count.first::<u32>().unwrap(), Some(3));
    assert_eq!(count.first::<Option<f64>>().unwrap(), Some(Some(3.0)));
    assert_eq!(table(&["state"], vec![params!["sent"]]).first::<State>().unwrap(), Some(State::Sent));
    assert_eq!(table(&["none"], vec![params![None::<i64>]]).first::<Option<i64>>().unwrap(), Some(None));
    let bytes = table(&["raw"], vec![params![b"\x00\xff"]]);
    assert_eq!(bytes.first::<(Vec<u8>,)>().unwrap().unwrap().0, [0, 255]);
}

#[test]
fn json_is_text_until_it_is_asked_for() {
    let found = table(&["items"], vec![params![serde_json::json!(["a", "b"])]]);
    assert_eq!(found.first::<String>().unwrap().unwrap(), r#"["a","b"]"#);
    #[derive(Deserialize)]
    struct Items {
        items: Json<Vec<String>>,
    }
    assert_eq!(found.first::<Items>().unwrap().unwrap().items.0, ["a", "b"]);
}

#[track_caller]
fn unfit<T: DeserializeOwned + std::fmt::Debug>(found: &Table, expected: &str) {
    let error = found.rows::<T>().unwrap_err();
    assert_eq!((error.name(), error.message()), ("answer", expected));
}

#[test]
fn what_does_not_fit_is_told_by_row_and_column() {
    let found = table(&["id", "paid"], vec![params![1, true], params!["x", true]]);
    unfit::<(i64, bool)>(&found, "row 2 is not as expected: column `id`: invalid type: string \"x\", expected i64");
    unfit::<i64>(&found, "row 1 is not as expected: there are 2 columns: read them into a struct, a map or a tuple");
    unfit::<(i64,)>(&found, "row 1 is not as expected: invalid length 2, expected 1 element in sequence");
    let amount = table(&["amount"], vec![params!["12.50"]]);
    unfit::<f64>(&amount, "row 1 is not as expected: column `amount`: invalid type: string \"12.50\", expected f64");
    let null = table(&["id"], vec![params![None::<i64>]]);
    unfit::<i64>(&null, "row 1 is not as expected: column `id`: invalid type: unit value, expected i64");
    let two = table(&["paid"], vec![params![2]]);
    unfit::<bool>(
        &two,
        "row 1 is not as expected: column `paid`: invalid value: integer `2`, expected a boolean, or 0 or 1",
    );
}

#[test]
fn a_batch_says_what_is_expected_of_which_statement() {
    let batch = Sql::default().batch("ledger").execute("insert", params![1]).execute_exactly(1, "update", params![]);
    assert_eq!(batch.connection, "ledger");
    let said: Vec<_> = batch.steps.iter().map(|step| (step.statement.text.as_str(), step.expect_rows)).collect();
    assert_eq!(said, [("insert", None), ("update", Some(1))]);
}

#[test]
fn every_refusal_keeps_its_kind_and_the_databases_code() {
    let refused =
        |code: &str| failed(host::Error::Database(host::DatabaseError { code: code.into(), message: "no".into() }));
    let unique = refused("23505");
    assert_eq!((unique.kind(), unique.code(), unique.message()), (ErrorKind::Database, Some("23505"), "no (23505)"));
    assert!(!unique.is_retryable());
    assert!(refused("57014").is_retryable() && refused("53300").is_retryable());
    assert_eq!((refused("").code(), refused("").message()), (None, "no"));
    let conflict = failed(host::Error::Conflict("step 2 changed 0 rows, not 1".into()));
    assert_eq!((conflict.kind(), conflict.name(), conflict.is_retryable()), (ErrorKind::Conflict, "conflict", true));
    assert_eq!(failed(host::Error::InDoubt("x".into())).kind(), ErrorKind::InDoubt);
    assert_eq!(failed(host::Error::TooLarge("x".into())).kind(), ErrorKind::TooLarge);
}
