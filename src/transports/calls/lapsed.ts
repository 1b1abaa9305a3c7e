import type { CallContext, Refused, UnaryMethod } from "./call.ts";

/** A method whose calls are asked once more, when their request is there, whether who calls may still call. */
export function unlessLapsed<Method extends UnaryMethod>(method: Method): Method {
  return {
    ...method,
    answer(request: Buffer, context: CallContext): Promise<Uint8Array | Refused> {
      const lapsed = context.lapsed?.();
      if (lapsed === undefined) return method.answer(request, context);
      if (!(lapsed instanceof Promise)) return Promise.resolve(lapsed);
      return lapsed.then((refusal) => refusal ?? method.answer(request, context));
    },
  };
}
