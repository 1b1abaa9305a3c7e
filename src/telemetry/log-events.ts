/**
 * Every name under which Tally says something about itself. Operators search and alert by these names, so they
 * are stable; the texts beside them are free to improve.
 */

/** Log events: name, how loud, what it says. No event carries a counter's name, a request id or a credential. */
export const LOG_EVENTS = {
  "server.starting": ["debug", "Starting."],
  "server.ready": ["info", "Serving."],
  "server.draining": [
    "info",
    "Stopping: no new calls, finishing those in flight. A second signal exits at once.",
  ],
  "server.stopped": ["info", "Stopped."], // `detail` says what became of the counters.
  "server.exit_now": ["warn", "A second signal: exiting without waiting for calls in flight."],
  "server.failed": ["fatal", "A defect in Tally ends the process; it is to be started again."],
  "signal.ignored": [
    "info",
    "A signal came that means nothing here; SIGTERM stops, SIGHUP reads again what can be: the configuration file, a certificate, a root key.",
  ],
  "supervisor.untold": [
    "error",
    "systemd cannot be told how the service is, as `detail` says: it will take it for dead, and end it. Of a unit that is not Type=notify take NOTIFY_SOCKET out of the environment.",
  ],
  "config.warning": ["warn", "The configuration may not be what you meant."],
  "config.reloaded": [
    "info",
    "The configuration file was read again: the settings in `changed` are in use as it has them now.",
  ],
  "config.restart_needed": [
    "warn",
    "The configuration file has other values of the settings in `settings`, which take effect at the next start.",
  ],
  "config.unusable": [
    "error",
    "The configuration was read again and cannot be used, as `detail` says: every setting stays as it is. The next start would fail.",
  ],
  "store.warning": ["warn", "The store warns."],
  "store.commit_failed": [
    "error",
    "A commit failed, as its callers were told; `err` says why. More within ten seconds are not logged.",
  ],
  "store.damaged": [
    "error",
    "A stored row is damaged: whoever asks for its counter is refused with ROW_CORRUPT, the others work. `parts` says what is damaged (`part` of that reason), `names` has some of the counters concerned, where they are known. While a policy is damaged no counter is made that may follow one. Restore them from a backup. More within ten seconds are not logged.",
  ],
  "store.committed": [
    "debug",
    "A commit is durable: how many calls and operations it had, and how long its parts took in milliseconds, as far as the store can tell them apart.",
  ],
  "store.not_ready": [
    "error",
    "The store does not answer, or takes no changes; /readyz says so while that lasts.",
  ],
  "store.ready": ["info", "The store answers and takes changes again."],
  "store.failed": [
    "fatal",
    "The store failed; the process ends, because what it knows may differ from what the disk has. What happened " +
      "stands beside this; once that is mended, or if it was for a moment, start it again.",
  ],
  "backup.made": [
    "info",
    "A backup was made, checked, and is on disk: `file`, how many `bytes` it has, and how many `seconds` it took.",
  ],
  "backup.taken": [
    "info",
    "Somebody asked for a backup over the network (AdminService.Backup): who, from where, and what came of it.",
  ],
  "store.verified": [
    "info",
    "Somebody had the store verified over the network (AdminService.Verify): who, from where, how many `findings`, and what came of it.",
  ],
  "backup.failed": [
    "error",
    "No backup was made, as `detail` says, and nothing is left of it; it is tried again within the hour. Those that are there are kept.",
  ],
  "backup.skipped": [
    "warn",
    "It is time for the next backup, and the one before is still made: this one is left out. Raise backup-every, or backup-rate.",
  ],
  "backup.damaged": [
    "warn",
    "A file in backup-dir is cut off or damaged: it is no whole backup, and counts for none.",
  ],
  "backup.gone": [
    "warn",
    "The newest backup is not in backup-dir any more: another one is made, no sooner than an hour after it. Until then a restore begins with an older one, if there is one.",
  ],
  "backup.warning": ["warn", "A backup was made, and there is something to know of it, as `detail` says."],
  "archive.begun": [
    "info",
    "The archive begins, for what `detail` says, and a backup is made for it to go on from. What was archived before can be restored up to where it ends.",
  ],
  "archive.whole": [
    "info",
    "There is a backup that the archive goes on from: any moment since then can be restored.",
  ],
  "archive.failed": [
    "warn",
    "Nothing can be archived now, as `detail` says; it is tried again every second, and logged once it has succeeded in between. Nothing is lost while it is mended in time.",
  ],
  "archive.broken": [
    "error",
    "The archive has broken off, as `detail` says: what is written from now on is not in it. Counting goes on. Once something can be archived it is begun anew, with a backup.",
  ],
  "maintenance.failed": ["warn", "A slice of maintenance failed; it is tried again in a second."],
  "history.failed": [
    "warn",
    "History could not be kept up; it is tried again in a second, from where it was saved. Nothing is lost while the change log has room (change-log-bytes-max).",
  ],
  "history.missed": [
    "warn",
    "The change log had dropped changes before history took them in: history has a gap, which its answers say. Counts are not concerned.",
  ],
  "call.answered": ["info", "A call has ended, as `outcome` says."], // Short: it may be said of every call.
  "call.slow": [
    "warn",
    "A call took as long as slow-call-log says, or longer. Ten a second are logged at most: `suppressed` is how many more there were since the line before.",
  ],
  "call.denied": [
    "info",
    "A call was refused for who called, what they may, or how often, as `reason` says; `by` is the principal and `key_id` its key, where they are known. Ten a second are logged at most: `suppressed` is how many more were refused since the line before. The names that were asked for are in ListDenied.",
  ],
  "traces.on": [
    "info",
    "Calls are traced, and their spans sent to `endpoint`: those whose caller records them, and `trace-ratio` of those that say nothing of it.",
  ],
  "traces.unsent": [
    "warn",
    "Spans of calls could not be sent, as `detail` says; these are lost, and no call is concerned. More that are not sent are not logged.",
  ],
  "traces.sent_again": ["info", "Spans of calls are sent again; `lost` is how many were not."],
  "http.refused": ["debug", "An HTTP request was refused; with the origin of its page, if a page sent it."],
  "calls.overload": [
    "warn",
    "More calls come than can be answered in time (queue-wait-max): some are refused, not applied, and told when to come again. More of it within ten seconds is not logged.",
  ],
  "grpc.handler_failed": ["error", "A call met a defect in Tally and was answered with INTERNAL_ERROR."],
  "grpc.engine_error": [
    "warn",
    "The library that carries gRPC (grpc-js) tells of an error. Its text may hold what a caller has sent, and is not logged. More within ten seconds are not logged.",
  ],
  "stream.handler_failed": ["error", "A stream met a defect in Tally and was ended with INTERNAL_ERROR."],
  "http.handler_failed": ["error", "A request met a defect in Tally and was answered with status 500."],
  "http2.failed": ["error", "A connection of HTTP/2 met a defect in Tally and was ended."],
  "http2.connection_ended": [
    "debug",
    "A connection of HTTP/2 was ended for what its client did, as `reason` says.",
  ],
  "tls.renewed": ["info", "The renewed certificate is in use for new connections."],
  "tls.unchanged": ["info", "The certificate was read again as asked, and is the one in use."],
  "tls.renewal_failed": ["error", "The renewed certificate cannot be used; the one before stays in use."],
  "tls.not_valid_now": ["warn", "The certificate is not valid now: callers that check it hang up."],
  "tls.handshake_failed": ["debug", "A connection was closed that did not come to speak TLS."],
  "tls.authorities_renewed": [
    "info",
    "The renewed authorities of clients' certificates are in use; connections that were let in by one that is gone are ended.",
  ],
  "tls.client_refused": [
    "debug",
    "A connection was closed whose client has no certificate of an authority that is known here.",
  ],
  "tls.client_ended": [
    "info",
    "A connection was ended: the certificate that its client has shown has expired, or its authority is gone.",
  ],
  "auth.token_refused": [
    "info",
    "A token was refused, for what `why` says: its caller is told less. More within ten seconds are not logged.",
  ],
  "auth.issuer_away": [
    "error",
    "The keys of an issuer of tokens could not be fetched, as `detail` says. Those that are there stay in use; without any its tokens are refused with AUTH_UNAVAILABLE. It is tried again all the time, and not logged until it succeeds.",
  ],
  "auth.issuer_back": ["info", "The keys of an issuer of tokens were fetched again."],
  "auth.unread": [
    "error",
    "Who may call could not be read from the store. After ten seconds of it calls are refused with AUTH_STALE, for what was revoked meanwhile is not known.",
  ],
  "auth.unwritten": [
    "warn",
    "That no request id is left of before callers had to say who they are could not be written down; it is tried again after the next start.",
  ],
  "auth.uses_unwritten": [
    "warn",
    "When API keys were last used could not be written down; it is tried again in five minutes. What is not written down when the process ends is lost, and such a key looks unused since before.",
  ],
  "auth.ignored": [
    "error",
    "The store has principals, and this server asks nobody who they are, for auth is off: restart it with auth = optional or required. It is logged once a minute.",
  ],
  "auth.off_unread": [
    "warn",
    "Whether the store has principals could not be read; auth is off, and nobody is asked who they are. It is tried again all the time, and not logged until it succeeds.",
  ],
  "auth.off_read_again": ["info", "Whether the store has principals was read again."],
  "auth.without_credential": [
    "info",
    "Calls came without a credential and were let in, for auth is optional: so many over gRPC and over HTTP since this was logged last. Who makes them may what anonymous may once it is required. It is logged once a minute, while there are any.",
  ],
  "auth.read_again": ["info", "Who may call was read again."],
  "auth.unreadable": [
    "error",
    "An entry among principals, keys and bindings is damaged, or of a newer version, and stands for nobody. `kind` and `key` are what it says it is, which need not be so of one that is damaged; of many at once `more` is how many others there are. Restore it from a backup, or run the newer version.",
  ],
  "auth.root_key_read": ["info", "The root key was read again, and what its file has now is in use."],
  "auth.root_key_unusable": [
    "error",
    "The file of the root key cannot be used; the root key before stays in use.",
  ],
  "audit.changed": [
    "info",
    "Who may call, or do what, was changed, or somebody tried to: by whom, from where, what, and what came of it.",
  ],
  "doors.drain_forced": ["warn", "The drain grace ended with calls still in flight; they were cut off."],
} as const satisfies Record<string, readonly [Exclude<LogLevel, "silent">, string]>;

/** The name of an event of the log, "server.ready" for example. Names are stable. */
export type LogEvent = keyof typeof LOG_EVENTS;

/** From loud to all of it. */
export const LOG_LEVELS = ["silent", "fatal", "error", "warn", "info", "debug"] as const;
/** How important an event is. */
export type LogLevel = (typeof LOG_LEVELS)[number];
