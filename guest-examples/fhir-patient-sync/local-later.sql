update patients set birth_date = '2025-02-28' where mrn = 'A-0022';
