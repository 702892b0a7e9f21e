-- How far the log is published to a topic. One row per topic, moved only by the publisher whose term it is: whoever
-- begins to lead takes the next term, and with it the row from a leader that does not know yet that it leads no more.
CREATE TABLE publisher_checkpoints (
  topic text COLLATE "C" PRIMARY KEY,
  term bigint NOT NULL,
  position bigint NOT NULL CHECK (position >= 0),
  -- Of each partition, in order, the position of the last event in it, 0 for none.
  last_positions bigint[] NOT NULL
);
