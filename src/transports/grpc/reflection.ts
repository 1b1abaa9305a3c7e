import {
  create,
  type DescEnum,
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "../../../gen/google/rpc/code_pb.ts";
import {
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/**
 * Answers gRPC server reflection from descriptors, so that a client needs no .proto files.
 *
 * The versions v1 and v1alpha of the protocol have the same bytes, so one reflector serves both. Options that
 * others defined (buf.validate's rules, say) are passed on as they are; @grpc/reflection drops them.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 */
export class Reflector {
  readonly #services: readonly string[];
  /** What is not in the maps yet: they are made for the first who asks, so that a start does not wait for them. */
  #unread: readonly DescFile[];
  readonly #files = new Map<string, { readonly desc: DescFile; readonly bytes: Uint8Array }>();
  /** By full name of a message, field, oneof, enum, extension, service or method: its file. */
  readonly #symbols = new Map<string, DescFile>();
  /** By the extended message's name, by number: the extension's file. */
  readonly #extensions = new Map<string, Map<number, DescFile>>();

  /**
   * @param services  what is listed
   * @param files     what else can be looked up, by file or by name; imports are added by themselves
   */
  constructor(services: readonly DescService[], files: readonly DescFile[]) {
    this.#services = services.map(({ typeName }) => typeName).sort();
    this.#unread = [...services.map(({ file }) => file), ...files];
  }

  /** The response to one request, both as bytes. What is no request, or finds nothing, gets an error_response. */
  answer(bytes: Uint8Array): Uint8Array {
    for (const file of this.#unread) this.#addFile(file);
    this.#unread = [];
    const request = decode(bytes);
    const response = create(ServerReflectionResponseSchema, {
      validHost: request?.host ?? "",
      ...(request && { originalRequest: request }),
      messageResponse: request
        ? this.#answer(request)
        : error(Code.INVALID_ARGUMENT, "not a ServerReflectionRequest"),
    });
    return toBinary(ServerReflectionResponseSchema, response);
  }

  #answer({ messageRequest: asked }: ServerReflectionRequest): Answer {
    switch (asked.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: { service: this.#services.map((name) => ({ name })) },
        };
      case "fileByFilename":
        return this.#found(this.#files.get(asked.value)?.desc, `file "${asked.value}"`);
      case "fileContainingSymbol":
        return this.#found(this.#symbols.get(asked.value.replace(/^\./, "")), `symbol "${asked.value}"`);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = asked.value;
        const file = this.#extensions.get(containingType)?.get(extensionNumber);
        return this.#found(file, `extension ${extensionNumber} of "${containingType}"`);
      }
      case "allExtensionNumbersOfType": {
        const numbers = this.#extensions.get(asked.value);
        if (numbers === undefined && !this.#symbols.has(asked.value)) {
          return error(Code.NOT_FOUND, `no type "${asked.value}"`);
        }
        const extensionNumber = [...(numbers?.keys() ?? [])].sort((a, b) => a - b);
        return { case: "allExtensionNumbersResponse", value: { baseTypeName: asked.value, extensionNumber } };
      }
      default:
        return error(Code.INVALID_ARGUMENT, "the request asks for nothing: set one field of message_request");
    }
  }

  /** A file and all that it imports, each before its imports. */
  #found(file: DescFile | undefined, what: string): Answer {
    if (file === undefined) return error(Code.NOT_FOUND, `no ${what}`);
    const bytes: Uint8Array[] = [];
    const seen = new Set<DescFile>();
    const visit = (desc: DescFile): void => {
      if (seen.has(desc)) return;
      seen.add(desc);
      for (const imported of desc.dependencies) visit(imported);
      bytes.push(this.#files.get(desc.proto.name)!.bytes);
    };
    visit(file);
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto: bytes.reverse() } };
  }

  #addFile(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, { desc: file, bytes: toBinary(FileDescriptorProtoSchema, file.proto) });
    for (const imported of file.dependencies) this.#addFile(imported);
    for (const message of file.messages) this.#addMessage(message, file);
    for (const each of file.enums) this.#addEnum(each, file);
    for (const extension of file.extensions) this.#addExtension(extension, file);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const method of service.methods) this.#symbols.set(`${service.typeName}.${method.name}`, file);
    }
  }

  #addMessage(message: DescMessage, file: DescFile): void {
    this.#symbols.set(message.typeName, file);
    for (const { name } of [...message.fields, ...message.oneofs]) {
      this.#symbols.set(`${message.typeName}.${name}`, file);
    }
    for (const nested of message.nestedMessages) this.#addMessage(nested, file);
    for (const nested of message.nestedEnums) this.#addEnum(nested, file);
    for (const nested of message.nestedExtensions) this.#addExtension(nested, file);
  }

  #addEnum(each: DescEnum, file: DescFile): void {
    this.#symbols.set(each.typeName, file);
    // The names of enum values are siblings of their enum's.
    const scope = each.typeName.slice(0, each.typeName.lastIndexOf(".") + 1);
    for (const { name } of each.values) this.#symbols.set(scope + name, file);
  }

  #addExtension({ typeName, extendee, number }: DescExtension, file: DescFile): void {
    this.#symbols.set(typeName, file);
    const numbers = this.#extensions.get(extendee.typeName) ?? new Map<number, DescFile>();
    this.#extensions.set(extendee.typeName, numbers.set(number, file));
  }
}

function error(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

function decode(bytes: Uint8Array): ServerReflectionRequest | undefined {
  try {
    return fromBinary(ServerReflectionRequestSchema, bytes, { readUnknownFields: false });
  } catch {
    return undefined;
  }
}
