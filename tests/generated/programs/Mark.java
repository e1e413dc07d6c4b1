import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.NotificationsApi;
import org.openapitools.client.api.SystemEventsApi;
import org.openapitools.client.model.EventIds;

/** Marks an event and reads the state back, with the classes that openapi-generator makes: Mark URL TOKEN. */
public class Mark {
    public static void main(String[] arguments) throws Exception {
        ApiClient client = new ApiClient();
        client.updateBaseUri(arguments[0]);
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + arguments[1]));
        SystemEventsApi events = new SystemEventsApi(client);
        var marked = events.markSystemEventAsRead(new EventIds().id(1L), null);
        var counted = events.markSystemEventsRead(new EventIds().addIdsItem(1L).addIdsItem(2L), null);
        new NotificationsApi(client).getUnreadSummary(null, null);
        System.out.println(marked.getSuccess() + " " + counted.getChangedCount() + " " + counted.getMatchedCount());
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer no"));
        try {
            new SystemEventsApi(client).getUnreadCount(null, null);
        } catch (ApiException refused) {
            System.out.println(refused.getCode());
        }
    }
}
