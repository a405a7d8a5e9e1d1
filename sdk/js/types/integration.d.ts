/// <reference path="./interfaces/jackfield-plugin-blob.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-config.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-email.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-events.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-handler.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-http.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-kv.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-log.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-messaging.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-run.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-sql.d.ts" />
/// <reference path="./interfaces/jackfield-plugin-types.d.ts" />
declare module 'jackfield:plugin/integration@0.1.0' {
  export type * as JackfieldPluginBlob010 from 'jackfield:plugin/blob@0.1.0'; // import jackfield:plugin/blob@0.1.0
  export type * as JackfieldPluginConfig010 from 'jackfield:plugin/config@0.1.0'; // import jackfield:plugin/config@0.1.0
  export type * as JackfieldPluginEmail010 from 'jackfield:plugin/email@0.1.0'; // import jackfield:plugin/email@0.1.0
  export type * as JackfieldPluginEvents010 from 'jackfield:plugin/events@0.1.0'; // import jackfield:plugin/events@0.1.0
  export type * as JackfieldPluginHttp010 from 'jackfield:plugin/http@0.1.0'; // import jackfield:plugin/http@0.1.0
  export type * as JackfieldPluginKv010 from 'jackfield:plugin/kv@0.1.0'; // import jackfield:plugin/kv@0.1.0
  export type * as JackfieldPluginLog010 from 'jackfield:plugin/log@0.1.0'; // import jackfield:plugin/log@0.1.0
  export type * as JackfieldPluginMessaging010 from 'jackfield:plugin/messaging@0.1.0'; // import jackfield:plugin/messaging@0.1.0
  export type * as JackfieldPluginRun010 from 'jackfield:plugin/run@0.1.0'; // import jackfield:plugin/run@0.1.0
  export type * as JackfieldPluginSql010 from 'jackfield:plugin/sql@0.1.0'; // import jackfield:plugin/sql@0.1.0
  export type * as JackfieldPluginTypes010 from 'jackfield:plugin/types@0.1.0'; // import jackfield:plugin/types@0.1.0
  export * as handler from 'jackfield:plugin/handler@0.1.0'; // export jackfield:plugin/handler@0.1.0
}
