-- What is in the outbox as outbox.csv has it: of what the server said only the end, or the beginning.
copy (
    select
        coalesce(mrn, fhir_id) as patient,
        state,
        coalesce(substring(error from '\[element.*$'), split_part(error, ': ', 1)) as error
    from outbox
    join patients on id = patient_id
    order by coalesce(mrn, fhir_id) collate "C"
) to stdout with (format csv, header);
