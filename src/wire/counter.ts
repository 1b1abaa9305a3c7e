/** A counter as the bytes of an answer. */
import { etagOf, type FullCounter, settingsEtagOf } from "../core/counter.ts";
import type { Epoch } from "../core/epoch.ts";
import { textSize, WireWriter } from "./writer.ts";

/** The tags of Counter's fields that every counter has, and of that which tells its policy. */
const NAME = (1 << 3) | 2;
const VALUE = 2 << 3;
const UID = (3 << 3) | 2;
const REVISION = 4 << 3;
const ETAG = (5 << 3) | 2;
const CREATE_TIME = (6 << 3) | 2;
const UPDATE_TIME = (7 << 3) | 2;
const POLICY = (12 << 3) | 2;
const SETTINGS_REVISION = 27 << 3;
const SETTINGS_ETAG = (28 << 3) | 2;

/** What these take beside the texts: three numbers, two times, six tags and lengths of texts. */
const BYTES_MAX = 3 * 12 + 2 * 24 + 6 * 4;

/**
 * The bytes of a Counter.
 *
 * By hand, because protobuf-es takes 10 microseconds for it, and a read has a thousand.
 *
 * @param epoch  of the store that it is of
 * @param rest   the bytes of its other fields: its settings, and when time changes it
 */
export function writeCounter(counter: FullCounter, epoch: Epoch, rest: Uint8Array): Buffer {
  const { name, uid, revision, settingsRevision } = counter;
  const etag = etagOf(uid, revision, epoch);
  const settingsEtag = settingsEtagOf(uid, settingsRevision, epoch);
  const policy = counter.policy?.prefix;
  const texts = name.length + uid.length + etag.length + settingsEtag.length + (policy?.length ?? 0);
  const w = new WireWriter(texts + rest.length + BYTES_MAX);
  w.ascii(NAME, name);
  w.int64(VALUE, counter.value);
  w.ascii(UID, uid);
  w.safe(REVISION, revision);
  w.ascii(ETAG, etag);
  w.timestamp(CREATE_TIME, counter.createTime);
  w.timestamp(UPDATE_TIME, counter.updateTime);
  if (policy !== undefined) w.ascii(POLICY, policy);
  w.safe(SETTINGS_REVISION, settingsRevision);
  w.ascii(SETTINGS_ETAG, settingsEtag);
  w.raw(rest);
  return w.finish();
}

/** The tags of CreateCounter-, GetCounter- and UpdateCounterResponse. */
const COUNTER = (1 << 3) | 2;
const REPLAYED = 2 << 3;

/**
 * The bytes of a CreateCounterResponse, GetCounterResponse or UpdateCounterResponse. The three are alike.
 *
 * @param counter  the bytes of a Counter
 */
export function writeCounterResponse(counter: Uint8Array, replayed = false): Buffer {
  const w = new WireWriter(textSize(counter.length) + 2);
  w.begin(COUNTER, counter.length);
  w.raw(counter);
  w.number(REPLAYED, Number(replayed), 0);
  return w.finish();
}

/** The tags of CounterResult. */
const RESULT_NAME = (1 << 3) | 2;
const RESULT_COUNTER = (2 << 3) | 2;

/**
 * The bytes of a CounterResult that has a counter.
 *
 * @param name     as it was asked for
 * @param counter  the bytes of a Counter
 */
export function writeCounterResult(name: string, counter: Uint8Array): Buffer {
  const w = new WireWriter(textSize(name.length) + textSize(counter.length));
  w.ascii(RESULT_NAME, name);
  w.begin(RESULT_COUNTER, counter.length);
  w.raw(counter);
  return w.finish();
}
