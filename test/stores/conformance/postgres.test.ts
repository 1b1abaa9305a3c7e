import { storeSuite } from "./suite.ts";

storeSuite("postgres");
