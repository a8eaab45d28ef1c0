import json, asyncpg
from hive_store.statements import statement
async def test_x(database):
    await database.execute("insert into hive.task (kind, group_name, state, finished_at) select 'x', case when g%100=0 then 'g' when g % 2=0 then 'big' end, case when g%1000=1 then 'failed' else 'succeeded' end::hive.task_state, now() from generate_series(1,200000) g")
    for an in (False, True):
        if an: await database.execute("analyze hive.task")
        sel = statement("select_tasks")
        def call(*a): return "execute s(" + ",".join("null" if x is None else repr(x) for x in a)+")"
        for mode in ("auto","force_custom_plan","force_generic_plan"):
            await database.execute(f"set plan_cache_mode={mode}; prepare s as {sel}")
            for name,args in {"all":(None,)*7+(21,), "g":(None,None,None,'g',None,None,None,1000),"big":(None,None,None,'big',None,None,150000,1000),"failed":("{failed}",None,None,None,None,None,None,21)}.items():
                for k in range(7):
                    t = json.loads(await database.fetchval("explain (analyze, buffers, timing off, format json) "+call(*args)))[0]
                p=t["Plan"]; n=p
                while n.get("Plans"): n=n["Plans"][0]
                print(an,mode,name,n["Node Type"],n.get("Index Name"),n["Actual Rows"],n.get("Rows Removed by Filter"),round(t["Execution Time"],1), p["Shared Hit Blocks"])
            await database.execute("deallocate s")
    assert 0
