/** What only the page of a server that asks who calls needs: loaded once it is known to be one. */
export { KeyDialog } from "./key-dialog.tsx";
export { WhoView } from "./who.tsx";
export { whoAmI } from "./who-am-i.ts";
