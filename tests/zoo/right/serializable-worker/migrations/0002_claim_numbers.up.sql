CREATE SEQUENCE claim_numbers;
