-- What an agent has said, and the words and phrases that it knows from it. One file for each agent.

create table if not exists texts (
  id integer primary key,
  text text not null,
  quality real not null check (quality between 0 and 1),
  dissonance real not null check (dissonance between 0 and 1),
  temperature real not null check (temperature >= 0),
  seed text not null,
  added_by text not null,
  word_count integer not null,
  line_count integer not null,
  at real not null default ((julianday('now') - 2440587.5) * 86400.0)
);

create table if not exists lines (
  text_id integer not null references texts (id),
  number integer not null,
  text text not null,
  syllables integer not null,
  primary key (text_id, number)
) without rowid;

-- weight: rises when a word is used, and fades while others are (the haiku's cloud alone).
create table if not exists words (
  word text primary key,
  frequency integer not null,
  weight real not null default 1.0
) without rowid;

-- resonance: the mean of 1 - dissonance over the exchanges in which the phrase came up.
create table if not exists trigrams (
  first text not null,
  second text not null,
  third text not null,
  count integer not null,
  resonance real not null check (resonance between 0 and 1),
  primary key (first, second, third)
) without rowid;

-- What all agents said at once, and the sentence that came of it (the observer's cloud alone).
create table if not exists cascades (
  id integer primary key,
  prompt text not null,
  sentence text not null,
  resonance real not null check (resonance between 0 and 1),
  entropy real not null check (entropy between 0 and 1),
  field_words integer not null,
  seed text not null,
  at real not null default ((julianday('now') - 2440587.5) * 86400.0)
);
