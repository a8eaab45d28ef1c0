-- What a restore would meet in the database: tasks and events, and who is at work.
--
-- $1 living_seconds  double precision  whoever was seen within this time and has not left
--
-- returns: one row
select exists (select from hive.task) or exists (select from hive.event) as holds_anything,
       (
         (select count(*) from hive.worker
          where seen_at > statement_timestamp() - make_interval(secs => $1::double precision)
            and cardinality(queues) > 0)
         + (select count(*) from hive.queen
            where seen_at > statement_timestamp() - make_interval(secs => $1::double precision))
       )::integer as living
