/** Who holds the root key: its name, and its id. */
export const ROOT_NAME = "root";

/** Who calls without a credential: its name, and its id. */
export const ANONYMOUS = "anonymous";
export const ANONYMOUS_ID = "";
