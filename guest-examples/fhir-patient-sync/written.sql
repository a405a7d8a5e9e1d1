-- The patients as pulled.csv and expected.csv have them.
copy (
    select
        coalesce(mrn, fhir_id) as patient,
        fhir_version as version,
        active,
        gender,
        birth_date,
        deceased,
        coalesce((
            select string_agg(concat_ws(' | ', coalesce(use, ''), coalesce(family, ''), array_to_string(given, ' '), coalesce(whole, '')), '; ' order by position)
            from patient_names where patient_id = id
        ), '') as names,
        coalesce((
            select string_agg(concat_ws(' | ', coalesce(system, ''), coalesce(value, '')), '; ' order by position)
            from patient_identifiers where patient_id = id
        ), '') as identifiers,
        coalesce((
            select string_agg(concat_ws(' | ', coalesce(system, ''), coalesce(value, ''), coalesce(use, '')), '; ' order by position)
            from patient_contacts where patient_id = id
        ), '') as contacts,
        coalesce((
            select string_agg(
                concat_ws(' | ', coalesce(use, ''), lines_shown, coalesce(city, ''), coalesce(postal_code, ''), coalesce(country, '')), '; ' order by position
            )
            from patient_addresses,
                -- Of long lines their beginning.
                lateral (select array_to_string(lines, ' / ') as whole) as joined,
                lateral (select case when length(whole) > 40 then format('%s… (%s)', left(whole, 40), length(whole)) else whole end as lines_shown) as cut
            where patient_id = id
        ), '') as addresses
    from patients
    order by coalesce(mrn, fhir_id) collate "C"
) to stdout with (format csv, header);
