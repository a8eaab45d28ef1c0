-- Read the clock that all moments in the database are told by.
--
-- returns: one row
select statement_timestamp() as now
