//! The built-in functions that are known to do nothing but compute from their arguments, or tell the time.
//!
//! What is missing here needs a grant: functions that read files, settings or other tables, wait, lock, change sequences or
//! large objects, or run SQL that is given to them as text; and whatever somebody has defined.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Their schema.
const CATALOG: &str = "pg_catalog.";

/// Whether a function, named as in a statement, is on the list. PostgreSQL looks in `pg_catalog` first.
pub(in crate::postgres) fn is_harmless(name: &str) -> bool {
    static SET: LazyLock<HashSet<&str>> =
        LazyLock::new(|| HARMLESS.iter().flat_map(|group| group.split_whitespace()).collect());
    SET.contains(name.strip_prefix(CATALOG).unwrap_or(name))
}

/// A function as grants name it: of those that PostgreSQL brings along and that are not harmless, with the schema where they
/// are found first. So a grant of everything in the connection's schema is none of `set_config`.
pub(in crate::postgres) fn qualified(name: String) -> String {
    let is = |words: &str| words.split_whitespace().any(|word| word == name);
    let begins = |words: &str| words.split_whitespace().any(|word| name.starts_with(word));
    let built_in = is(BUILT_IN) || begins(BEGINNINGS) || (name.starts_with("has_") && name.ends_with("_privilege"));
    if built_in && !name.contains('.') { format!("{CATALOG}{name}") } else { name }
}

/// How names begin that nobody but PostgreSQL gives.
const BEGINNINGS: &str = "pg_ txid_ query_to_xml table_to_xml cursor_to_xml schema_to_xml database_to_xml to_reg \
    binary_upgrade_ brin_summarize_ brin_desummarize_ gin_clean_pending_ icu_";

const BUILT_IN: &str = "nextval setval currval lastval set_config current_setting setseed random_normal current_query \
    current_schemas col_description obj_description shobj_description format_type row_security_active makeaclitem \
    aclexplode acldefault inet_client_addr inet_client_port inet_server_addr inet_server_port getdatabaseencoding \
    lo_import lo_export lo_creat lo_create lo_unlink lo_open lo_close lo_get lo_put lo_from_bytea lo_lseek lo_lseek64 \
    lo_tell lo_tell64 lo_truncate lo_truncate64 loread lowrite ts_stat ts_rewrite ts_debug ts_lexize ts_parse \
    ts_token_type amvalidate currtid2 plpgsql_call_handler plpgsql_validator xmlvalidate \
    suppress_redundant_updates_trigger unique_key_recheck";

const HARMLESS: &[&str] = &[
    // Conditions, and what is written like a call.
    "coalesce nullif greatest least num_nulls num_nonnulls any all some array row grouping overlaps cast exists",
    // Numbers.
    "abs cbrt ceil ceiling degrees div erf erfc exp factorial floor gcd lcm ln log log10 min_scale mod numeric pi \
     pow power radians random round scale sign sqrt trim_scale trunc width_bucket acos acosd asin asind atan atand \
     atan2 atan2d cos cosd cot cotd sin sind tan tand sinh cosh tanh asinh acosh atanh",
    // Text.
    "ascii bit_length btrim char_length character_length chr concat concat_ws format initcap left length lower lpad \
     ltrim md5 normalize octet_length overlay parse_ident position quote_ident quote_literal quote_nullable \
     regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array \
     regexp_split_to_table regexp_substr repeat replace reverse right rpad rtrim split_part starts_with \
     string_to_array string_to_table strpos substr substring to_ascii to_bin to_hex to_oct translate trim unistr \
     upper casefold",
    // Bytes and bits.
    "bit_count convert convert_from convert_to crc32 crc32c decode encode get_bit get_byte set_bit set_byte sha224 \
     sha256 sha384 sha512",
    // Formats.
    "to_char to_date to_number to_timestamp",
    // Dates and times.
    "age clock_timestamp current_date current_time current_timestamp date date_add date_bin date_part date_subtract \
     date_trunc extract isfinite justify_days justify_hours justify_interval localtime localtimestamp make_date \
     make_interval make_time make_timestamp make_timestamptz now statement_timestamp timeofday timezone \
     transaction_timestamp",
    // Enums, UUIDs, addresses.
    "enum_first enum_last enum_range gen_random_uuid uuidv4 uuidv7 uuid_extract_timestamp uuid_extract_version \
     abbrev broadcast family host hostmask inet_merge inet_same_family masklen netmask network set_masklen \
     macaddr8_set7bit",
    // JSON.
    "array_to_json row_to_json to_json to_jsonb json_array jsonb_array json_object jsonb_object json_scalar \
     json_serialize json_exists json_query json_value json_build_array jsonb_build_array json_build_object \
     jsonb_build_object json_array_elements jsonb_array_elements json_array_elements_text jsonb_array_elements_text \
     json_array_length jsonb_array_length json_each jsonb_each json_each_text jsonb_each_text json_extract_path \
     jsonb_extract_path json_extract_path_text jsonb_extract_path_text json_object_keys jsonb_object_keys \
     json_populate_record jsonb_populate_record json_populate_recordset jsonb_populate_recordset json_to_record \
     jsonb_to_record json_to_recordset jsonb_to_recordset json_strip_nulls jsonb_strip_nulls jsonb_set jsonb_set_lax \
     jsonb_insert jsonb_pretty json_typeof jsonb_typeof jsonb_path_exists jsonb_path_match jsonb_path_query \
     jsonb_path_query_array jsonb_path_query_first jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_tz \
     jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_concat jsonb_delete jsonb_delete_path",
    // XML, of what is given.
    "xmlcomment xmlconcat xmlelement xmlforest xmlpi xmlroot xmltext xmlagg xmlexists xmlparse xmlserialize \
     xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xpath xpath_exists",
    // Arrays and ranges.
    "array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position \
     array_positions array_prepend array_remove array_replace array_reverse array_sample array_shuffle array_sort \
     array_to_string array_upper cardinality trim_array unnest generate_series generate_subscripts isempty lower_inc \
     lower_inf upper_inc upper_inf range_merge multirange int4range int8range numrange tsrange tstzrange daterange \
     int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange",
    // Aggregates and window functions.
    "any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist \
     dense_rank every first_value json_agg json_agg_strict json_arrayagg json_object_agg json_object_agg_strict \
     json_object_agg_unique json_objectagg jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict \
     jsonb_object_agg_unique lag last_value lead max min mode nth_value ntile percent_rank percentile_cont \
     percentile_disc range_agg range_intersect_agg rank regr_avgx regr_avgy regr_count regr_intercept regr_r2 \
     regr_slope regr_sxx regr_sxy regr_syy row_number stddev stddev_pop stddev_samp string_agg sum var_pop var_samp \
     variance",
    // Search in text, of what is given.
    "array_to_tsvector numnode phraseto_tsquery plainto_tsquery querytree setweight strip to_tsquery to_tsvector \
     ts_delete ts_filter ts_headline ts_rank ts_rank_cd tsquery_phrase tsvector_to_array websearch_to_tsquery",
    // Who and what this is.
    "current_catalog current_database current_role current_schema current_user pg_column_size pg_typeof session_user \
     system_user user version merge_action",
];
