-- What of the raw events is to be forgotten one day, oldest first: what was understood, and has not been forgotten yet.

CREATE INDEX inbox_to_forget ON inbox (received_at) WHERE length(payload) > 0 AND outcome <> 'failed';
