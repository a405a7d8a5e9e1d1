with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0001', true, 'unknown', '2026-11-01', 'yes') returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Nguyễn', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Иванова', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0101.3902' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 101 19 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.101+x@example.org', null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0002', true, null, '2026-11-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Østergård', array['X Æ A-12', '太郎']::text[], null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street', 'مبنى 5، شارع الملك']::text[], '東京', '0102', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0003', true, 'female', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'D''Angelo', array['X Æ A-12', '太郎']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0103.0168' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 103 19 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Bahnhofstrasse 1']::text[], 'L''Aquila', '0103', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0004', true, 'unknown', '1900-01-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Łukasiewicz', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0104.8358' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'email', 'p.104+x@example.org', null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0005', true, 'unknown', '1957-03-14', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'O''Neill', array['Ольга', 'Björk']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'O''Neill', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0105.2471' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 105 86 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['東京都千代田区1-1']::text[], 'Zürich', '0105', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0006', true, 'female', '1957-03-14', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'de la Cruz y Fernández', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0106.2732' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 106 90 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0007', true, 'other', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'محمد', array['Nul']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0107.9182' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 107 35 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0008', true, 'male', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '李', array['Zoë', 'Seán']::text[], null from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 108 83 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Flat 3\B', 'Bahnhofstrasse 1']::text[], 'St. Gallen', '0108', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0009', true, 'male', '1900-01-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'محمد', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'D''Angelo', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0109.6979' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 109 12 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Bahnhofstrasse 1']::text[], 'Genève', '0109', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0010', true, 'unknown', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Иванова', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0110.9739' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'email', 'p.110+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street', 'مبنى 5، شارع الملك']::text[], 'İstanbul', '0110', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0011', true, 'weiblich', '2026-11-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Þórsdóttir', array['Ольга']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0111.4838' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 111 27 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.111+x@example.org', null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0012', false, 'other', '1957-03-14', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Παπαδόπουλος', array['José']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 112 76 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.112+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"']::text[], 'L''Aquila', '0112', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0013', true, 'other', '1957-03', 'yes') returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Иванова', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0113.4622' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'email', 'p.113+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['東京都千代田区1-1']::text[], '東京', '0113', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0014', true, null, '1900-01-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'ben Yehuda', array['José', 'Anna Maria']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0114.3037' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'email', 'p.114+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['東京都千代田区1-1', 'Flat 3\B']::text[], 'St. Gallen', '0114', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0015', true, 'male', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Þórsdóttir', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Müller-Lüdenscheidt', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0115.4389' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['東京都千代田区1-1', 'Bahnhofstrasse 1']::text[], 'İstanbul', '0115', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0016', true, 'unknown', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'D''Angelo', array['Anna Maria']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0116.2480' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 116 59 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street']::text[], 'Genève', '0116', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0017', true, 'unknown', '1957-03', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Østergård', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0117.6186' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 117 50 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.117+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street']::text[], 'Genève', '0117', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0018', true, null, '2026-11-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'محمد', array['Zoë']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0118.3054' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 118 69 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.118+x@example.org', null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0019', true, null, '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'ben Yehuda', array['太郎', '太郎']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0119.1703' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0020', true, 'male', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Þórsdóttir', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0120.5841' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 120 66 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.120+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"']::text[], 'St. Gallen', '0120', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0021', true, 'female', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Ng', array['Nul']::text[], null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Rue de l''Hôpital 7', '東京都千代田区1-1']::text[], 'Den Haag', '0121', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0022', false, 'male', '2025-02-30', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'O''Neill', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Ng', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0122.4104' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 122 52 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0023', true, 'other', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '山田', array['Nul']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0123.0904' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 123 12 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street']::text[], 'St. Gallen', '0123', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0024', true, 'unknown', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Nguyễn', array['X Æ A-12', 'Ольга']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', '李', array[]::text[], null from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 124 61 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0025', false, 'female', '2026-11-01', '2024-11-02') returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'de la Cruz y Fernández', array['Thị', 'Thị']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0125.6313' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 125 87 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.125+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Rue de l''Hôpital 7', 'Bahnhofstrasse 1']::text[], 'L''Aquila', '0125', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0026', true, null, '1900-01-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Ng', array['Ольга', 'X Æ A-12']::text[], null from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 126 17 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.126+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"', '100 % Street']::text[], 'L''Aquila', '0126', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0027', true, 'female', '2026-11-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'ben Yehuda', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0127.3089' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 127 23 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'billing', array['Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; ']::text[], 'Ng', null, null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0028', true, 'unknown', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '李', array['Thị']::text[], null from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 128 80 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.128+x@example.org', null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0029', true, 'female', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Amélie', array['X Æ A-12']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0129.6180' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 129 29 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0030', true, 'male', '1900-01-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Amélie', array['Ελένη', 'X Æ A-12']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', '李', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0130.2159' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 130 10 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.130+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Flat 3\B', 'Bahnhofstrasse 1']::text[], 'Zürich', '0130', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0031', true, 'other', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Þórsdóttir', array['X Æ A-12']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Nguyễn', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0131.6773' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 131 27 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0032', true, 'female', '1957-03-14', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'O''Neill', array['José']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Ng', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0132.0813' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 132 81 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['مبنى 5، شارع الملك', 'Flat 3\B']::text[], 'İstanbul', '0132', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0033', true, 'unknown', '14.03.1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Robert''); drop table patients;--', array['🌸', '🌸']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Παπαδόπουλος', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0133.4606' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street']::text[], 'Genève', '0133', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0034', true, 'female', '1957-03', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Þórsdóttir', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0134.5067' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 134 98 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.134+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street', '100 % Street']::text[], 'Zürich', '0134', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0035', true, 'unknown', null, null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Παπαδόπουλος', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', '山田', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0135.6182' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 135 54 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Rue de l''Hôpital 7']::text[], 'Zürich', '0135', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0036', false, null, '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '山田', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 136 14 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"']::text[], 'St. Gallen', '0136', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0037', true, 'other', '1957-03', '2024-11-02T08:15:00+01:00') returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Þórsdóttir', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Müller-Lüdenscheidt', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0137.6016' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 137 31 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street']::text[], 'Den Haag', '0137', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0038', true, 'unknown', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'محمد', array['Ελένη']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0138.4884' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 138 58 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.138+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street', 'Flat 3\B']::text[], 'Genève', '0138', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0039', true, null, '1900-01-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Ng', array['Seán']::text[], null from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 139 38 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0040', true, null, null, null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Łukasiewicz', array['Zoë', 'Seán']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0140.8728' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0041', true, 'other', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'de la Cruz y Fernández', array['Nul']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0141.6134' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 141 38 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0042', true, null, null, null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Robert''); drop table patients;--', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0142.8738' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Flat 3\B']::text[], 'Den Haag', '0142', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0043', true, 'female', '1957-03-14', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Østergård', array['Ελένη', 'Ελένη']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'D''Angelo', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0143.6004' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0044', true, 'female', '1957-03', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Østergård', array['X Æ A-12']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0144.3422' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'mobile', '079', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street']::text[], 'Den Haag', '0144', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0045', true, 'male', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'ben Yehuda', array['太郎', 'X Æ A-12']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Østergård', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0145.6202' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 145 78 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.145+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"']::text[], 'İstanbul', '0145', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0046', true, 'other', null, null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'de la Cruz y Fernández', array['Ελένη']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', '李', array[]::text[], null from p),
  names2 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 2, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0146.4266' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Rue de l''Hôpital 7', 'مبنى 5، شارع الملك']::text[], 'St. Gallen', '0146', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0047', true, 'male', '1957-03-14', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'محمد', array['Thị', 'Thị']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0147.1048' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Rue de l''Hôpital 7', 'مبنى 5، شارع الملك']::text[], '東京', '0147', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0048', true, 'unknown', '1957-03', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Müller-Lüdenscheidt', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0148.1441' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0049', true, 'other', '1957-03-14', '2024-11-02') returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Østergård', array['小龍']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0149.2531' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 149 11 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0050', true, null, '1957-03-14', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Þórsdóttir', array['🌸']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0150.3754' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 150 30 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0051', true, null, '2026-11-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Robert''); drop table patients;--', array['José']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0151.6483' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"']::text[], 'Zürich', '0151', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0052', true, 'female', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Nguyễn', array['Björk']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0152.2488' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 152 98 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Bahnhofstrasse 1', 'c/o "Haus am See"']::text[], '東京', '0152', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0053', true, null, null, null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Иванова', array['Ελένη']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Amélie', array[]::text[], null from p),
  names2 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 2, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0153.2572' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 153 19 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0054', true, 'female', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Amélie', array['Anna Maria']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0154.4665' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Bahnhofstrasse 1', 'مبنى 5، شارع الملك']::text[], '東京', '0154', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0055', true, 'male', '1900-01-01', 'soon') returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '李', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0155.1544' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 155 82 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.155+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['مبنى 5، شارع الملك', '100 % Street']::text[], 'Den Haag', '0155', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0056', true, 'unknown', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '李', array['Anna Maria', 'Ольга']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0156.2509' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 156 90 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Bahnhofstrasse 1', 'Flat 3\B']::text[], '東京', '0156', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0057', true, 'female', null, null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '李', array['Seán']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0157.7898' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'email', 'p.157+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"', '東京都千代田区1-1']::text[], 'Den Haag', '0157', 'CH' from p),
  addresses1 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 1, 'billing', array['Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; Very long line, behind the second gate; ']::text[], 'Ng', null, null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0058', false, 'unknown', '1957-03', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'O''Neill', array['Ольга', '太郎']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'de la Cruz y Fernández', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0158.4797' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 158 78 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.158+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street', 'c/o "Haus am See"']::text[], 'L''Aquila', '0158', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0059', true, 'unknown', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Østergård', array['Seán']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Nguyễn', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0159.8580' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'email', 'p.159+x@example.org', null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0060', true, 'unknown', '2026-11-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '李', array['Seán']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0160.7391' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['مبنى 5، شارع الملك']::text[], 'Den Haag', '0160', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0061', true, 'female', '1957-03-14', '2024-11-02T08:15:00+01:00') returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Müller-Lüdenscheidt', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Müller-Lüdenscheidt', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0161.7244' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"']::text[], 'Zürich', '0161', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0062', true, 'male', '1957-03', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Łukasiewicz', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0162.4743' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Rue de l''Hôpital 7']::text[], 'Den Haag', '0162', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0063', true, null, '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '李', array['Ελένη', 'فاطمة']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0163.8402' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 163 99 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.163+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"']::text[], '東京', '0163', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0064', true, null, '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Παπαδόπουλος', array['فاطمة', '太郎']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0164.5847' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 164 78 00', 'home' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0065', true, 'female', '1900-01-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Amélie', array['X Æ A-12']::text[], null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0066', true, 'female', '1957-03', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'artist', 'Ng', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0166.9391' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 166 53 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['東京都千代田区1-1']::text[], 'İstanbul', '0166', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0067', true, null, '1957-03-14', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Ng', array['X Æ A-12']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0167.0186' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 167 45 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Bahnhofstrasse 1', 'Flat 3\B']::text[], 'L''Aquila', '0167', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0068', true, 'male', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '山田', array['Thị']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0168.7102' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 168 85 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['東京都千代田区1-1', 'Flat 3\B']::text[], 'İstanbul', '0168', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0069', false, 'female', null, null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'D''Angelo', array['Anna Maria']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Иванова', array[]::text[], null from p),
  names2 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 2, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0169.2847' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 169 89 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.169+x@example.org', null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0070', true, 'other', '1900-01-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '山田', array['Björk']::text[], null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['東京都千代田区1-1', 'Bahnhofstrasse 1']::text[], 'Den Haag', '0170', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0071', true, 'other', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '山田', array['Ελένη', '🌸']::text[], null from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 171 48 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Bahnhofstrasse 1']::text[], 'Den Haag', '0171', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0072', false, 'unknown', '1957-03', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'de la Cruz y Fernández', array['José']::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0172.5147' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Flat 3\B', '100 % Street']::text[], '東京', '0172', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0073', true, 'other', '1957', '2024-11-02') returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Amélie', array['Thị']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['c/o "Haus am See"', 'Rue de l''Hôpital 7']::text[], 'İstanbul', '0173', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0074', true, 'other', '1957', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Łukasiewicz', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'محمد', array[]::text[], null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Flat 3\B', '100 % Street']::text[], 'St. Gallen', '0174', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0075', true, null, '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Nguyễn', array['Thị']::text[], null from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0076', true, 'unknown', null, null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'Robert''); drop table patients;--', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0176.4074' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 176 81 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.176+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Flat 3\B', '東京都千代田区1-1']::text[], 'Zürich', '0176', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('A-0077,1|x\y', true, 'male', '2026-11-01', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'محمد', array['Zoë']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'nickname', null, array[]::text[], 'the "Boss"; ''Kiki'' \ <b>' from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0177.3205' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 177 74 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['100 % Street']::text[], 'Genève', '0177', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('Ä 78/7&b=%41+c#d', true, 'female', '1957-03-14', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'D''Angelo', array['Anna Maria']::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'de la Cruz y Fernández', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0178.6111' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 178 63 00', 'home' from p),
  contacts1 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 1, 'email', 'p.178+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Flat 3\B']::text[], '東京', '0178', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values ('', true, 'unknown', '1957-03', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', '李', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'ben Yehuda', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0198.0684' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'phone', '+41 44 198 61 00', 'home' from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['Flat 3\B']::text[], '東京', '0198', 'CH' from p)
select from p;

with p as (insert into patients (mrn, active, gender, birth_date, deceased) values (null, true, 'male', '2024-02-29', null) returning id),
  names0 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 0, 'official', 'محمد', array[]::text[], null from p),
  names1 as (insert into patient_names (patient_id, position, use, family, given, whole) select id, 1, 'maiden', 'Łukasiewicz', array[]::text[], null from p),
  identifiers0 as (insert into patient_identifiers (patient_id, position, system, value) select id, 0, 'urn:oid:2.16.756.5.32', '756.0199.9011' from p),
  contacts0 as (insert into patient_contacts (patient_id, position, system, value, use) select id, 0, 'email', 'p.199+x@example.org', null from p),
  addresses0 as (insert into patient_addresses (patient_id, position, use, lines, city, postal_code, country) select id, 0, 'home', array['مبنى 5، شارع الملك']::text[], 'L''Aquila', '0199', 'CH' from p)
select from p;

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0001';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0002';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0003';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0004';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0005';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0006';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0007';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0008';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0009';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0010';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0011';

update patients set gender = 'female', birth_date = '1957-03' where fhir_id = 'zh-0012';

insert into patient_addresses (patient_id, position, use, lines, city)
select id, 9, 'temp', array['Rue de l''Hôpital 7', '2e étage']::text[], 'Genève' from patients where fhir_id = 'zh-0013';

update patients set gender = 'w' where fhir_id = 'zh-0020';

update patients set active = not active where fhir_id = 'zh-0021';

-- As if the change of this one there had not been heard yet.
update patients set fhir_version = '1', fhir_updated = fhir_updated - interval '1 hour' where fhir_id = 'zh-0022';
update patients set birth_date = '1958' where fhir_id = 'zh-0022';
