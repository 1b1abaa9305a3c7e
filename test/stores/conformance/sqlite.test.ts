import { storeSuite } from "./suite.ts";

storeSuite("sqlite");
